// Calls the warehouse with the npm package soap, from its WSDL alone, and prints what came back.
//
//     node client.mjs WSDL-URL SOAP-VERSION NOTE

import soap from 'soap';

const [wsdl, version, note] = process.argv.slice(2);

async function faultOf(call) {
  try {
    await call;
  } catch (error) {
    const fault = error.root.Envelope.Body.Fault;
    const detail = fault.detail ?? fault.Detail;
    const code = fault.faultcode ?? fault.Code.Value;
    return {
      code: code.replace(/^.*:/, ''),
      text: fault.faultstring ?? fault.Reason.Text.$value ?? fault.Reason.Text,
      orderId: detail?.OrderNotFound?.orderId ?? null,
    };
  }
  return {};
}

const client = await soap.createClientAsync(wsdl, { forceSoap12Headers: version === '1.2' });
const [{ order }] = await client.GetOrderAsync({ orderId: 'WH-100002' });
const [placed] = await client.PlaceOrderAsync({
  customer: {
    attributes: { number: 'C-0077' },
    name: 'Żak & Söhne',
    address: { street: '2 Quay', city: 'Hull', postalCode: 'HU1 1AA', country: 'GB' },
  },
  lines: [
    { sku: 'PAL-0001', quantity: 3, unitPrice: '12.50' },
    { attributes: { gift: 'true' }, sku: 'BOX-0002', quantity: 2, unitPrice: '0.35' },
  ],
  note,
});
const [{ order: kept }] = await client.GetOrderAsync({ orderId: placed.orderId });
const [label] = await client.GetLabelAsync({ orderId: 'WH-100002' });
const [listed] = await client.ListOrdersAsync({ status: 'cancelled', since: '2026-01-01', limit: 2 });
const [notified] = await client.NotifyShipmentAsync({
  orderId: placed.orderId,
  carrier: 'Swift',
  shippedAt: '2026-01-12T08:00:00Z',
});

console.log(JSON.stringify({
  order: {
    orderId: order.orderId,
    status: order.status,
    customer: order.customer.name,
    city: order.customer.address.city,
    total: order.total,
    note: order.note,
    courier: order.courier,
  },
  unknown: await faultOf(client.GetOrderAsync({ orderId: 'WH-404404' })),
  refused: await faultOf(client.GetOrderAsync({ orderId: 'no order!' })),
  listed: listed.order.map((one) => one.orderId),
  placed: {
    orderId: placed.orderId,
    total: placed.total,
    customer: kept.customer.name,
    note: kept.note,
    gifts: kept.lines.map((line) => line.attributes.gift === 'true'),
  },
  label: { text: Buffer.from(label.label, 'base64').toString('utf-8'), mimeType: label.mimeType },
  notified: notified === undefined || notified === null,
}));
