// Asks the warehouse for an order with WS-Security, with the npm package soap, and prints its id.
//
//     node secured.mjs WSDL-URL KIND PASSWORD KEY CERTIFICATE
//
// KIND is digest, text or signature. The user is joe.

import { readFileSync } from 'node:fs';
import soap from 'soap';

const [wsdl, kind, password, key, certificate] = process.argv.slice(2);

function security() {
  if (kind === 'signature') {
    return new soap.WSSecurityCert(readFileSync(key), readFileSync(certificate), '', {
      signatureAlgorithm: 'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256',
      // It would add a transform that leaves the signature out, of elements that have none inside.
      signatureTransformations: ['http://www.w3.org/2001/10/xml-exc-c14n#'],
      signerOptions: { idMode: 'wssecurity' },
    });
  }
  return new soap.WSSecurity('joe', password, {
    passwordType: kind === 'text' ? 'PasswordText' : 'PasswordDigest',
    hasNonce: true,
    hasTokenCreated: true,
  });
}

const client = await soap.createClientAsync(wsdl);
client.setSecurity(security());
const [{ order }] = await client.GetOrderAsync({ orderId: 'WH-100002' });
process.stdout.write(order.orderId);
