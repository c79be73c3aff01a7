<?php
// Calls the warehouse with PHP's SoapClient, from its WSDL alone, and prints what came back.
//
//     php client.php WSDL-URL SOAP-VERSION NOTE

declare(strict_types=1);

[, $wsdl, $version, $note] = $argv;

function fault_of(callable $call): array
{
    try {
        $call();
    } catch (SoapFault $fault) {
        return [
            'code' => preg_replace('/^.*:/', '', $fault->faultcode),
            'text' => $fault->getMessage(),
            'orderId' => $fault->detail->OrderNotFound->orderId ?? null,
        ];
    }
    return [];
}

// Basic credentials, where the listener asks for them: for the contract and for the calls.
$login = getenv('SOAP_LOGIN');
$credentials = $login === false ? [] : ['login' => $login, 'password' => getenv('SOAP_PASSWORD')];

$client = new SoapClient($wsdl, $credentials + [
    'soap_version' => $version === '1.2' ? SOAP_1_2 : SOAP_1_1,
    'cache_wsdl' => WSDL_CACHE_NONE,
    'features' => SOAP_SINGLE_ELEMENT_ARRAYS,
    'exceptions' => true,
]);

$order = $client->GetOrder(['orderId' => 'WH-100002'])->order;
$placed = $client->PlaceOrder([
    'customer' => [
        'number' => 'C-0077',
        'name' => 'Żak & Söhne',
        'address' => ['street' => '2 Quay', 'city' => 'Hull', 'postalCode' => 'HU1 1AA', 'country' => 'GB'],
    ],
    'lines' => [
        ['sku' => 'PAL-0001', 'quantity' => 3, 'unitPrice' => '12.50'],
        ['sku' => 'BOX-0002', 'quantity' => 2, 'unitPrice' => '0.35', 'gift' => true],
    ],
    'note' => $note,
]);
$kept = $client->GetOrder(['orderId' => $placed->orderId])->order;
$label = $client->GetLabel(['orderId' => 'WH-100002']);
$cancelled = $client->ListOrders(['status' => 'cancelled', 'since' => '2026-01-01', 'limit' => 2])->order;
$notified = $client->NotifyShipment([
    'orderId' => $placed->orderId,
    'carrier' => 'Swift',
    'shippedAt' => '2026-01-12T08:00:00Z',
]);

echo json_encode([
    'order' => [
        'orderId' => $order->orderId,
        'status' => $order->status,
        'customer' => $order->customer->name,
        'city' => $order->customer->address->city,
        'total' => $order->total,
        'note' => $order->note,
        'courier' => $order->courier,
    ],
    'unknown' => fault_of(fn () => $client->GetOrder(['orderId' => 'WH-404404'])),
    'refused' => fault_of(fn () => $client->GetOrder(['orderId' => 'no order!'])),
    'listed' => array_map(fn ($one) => $one->orderId, $cancelled),
    'placed' => [
        'orderId' => $placed->orderId,
        'total' => $placed->total,
        'customer' => $kept->customer->name,
        'note' => $kept->note,
        'gifts' => array_map(fn ($line) => $line->gift, $kept->lines),
    ],
    'label' => ['text' => $label->label, 'mimeType' => $label->mimeType],
    'notified' => $notified === null,
], JSON_THROW_ON_ERROR | JSON_UNESCAPED_UNICODE), "\n";
