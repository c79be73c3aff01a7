<?php
// Posts to the ledger, which is rpc/encoded, with PHP's SoapClient: one party is in several entries.
//
//     php ledger.php WSDL-FILE ADDRESS

declare(strict_types=1);

[, $wsdl, $address] = $argv;

$house = (object) ['name' => 'Żak & Söhne', 'iban' => null];
$bank = (object) ['name' => 'Bank', 'iban' => 'GB00 0000'];
foreach ([0, SOAP_USE_XSI_ARRAY_TYPE] as $features) {
    $client = new SoapClient($wsdl, [
        'location' => $address,
        'cache_wsdl' => WSDL_CACHE_NONE,
        'features' => SOAP_SINGLE_ELEMENT_ARRAYS | $features,
        'connection_timeout' => 10,
    ]);
    $client->Post('main', [
        (object) ['from' => $house, 'to' => $bank, 'amount' => '12.50'],
        (object) ['from' => $bank, 'to' => $house, 'amount' => '0.10'],
    ]);
    $client->Post('empty', []);
}
