#!/usr/bin/perl
# Calls the warehouse with SOAP::Lite, and prints what came back. SOAP::Lite takes its calls from
# a WSDL only for rpc services, so its users write the address and the elements of others by hand.
#
#     perl client.pl WSDL-URL SOAP-VERSION NOTE

use strict;
use warnings;
use utf8;

use Encode qw(decode encode);
use JSON::PP;
use MIME::Base64 qw(decode_base64);
use SOAP::Lite;

my ($address, $version, $note) = map { decode('UTF-8', $_) } @ARGV;
$address =~ s/[?]wsdl$//;

SOAP::Lite->soapversion($version);  # before the object, whose prefixes come of it
my $soap = SOAP::Lite->new(autotype => 0, readable => 0)->proxy($address)
    ->default_ns('urn:example:warehouse:types')
    ->on_action(sub { "urn:example:warehouse/$_[1]" })
    ->on_fault(sub { $_[1] });

# SOAP::Lite escapes only what it may send with an xsi:type.
sub item { my ($name, $text) = @_; SOAP::Data->name($name => SOAP::Utils::encode_data($text)) }

sub group { my ($name, @items) = @_; SOAP::Data->name($name => \SOAP::Data->value(@items)) }

sub fault_of {
    my $reply = shift;
    my $code = $reply->faultcode // $reply->valueof('//Fault/Code/Value');
    my $text = $reply->faultstring // $reply->valueof('//Fault/Reason/Text');
    my $order = $reply->valueof('//OrderNotFound/orderId');
    return {
        code => $code =~ s/^.*://r, text => $text, orderId => $order,
    };
}

my $order = $soap->call(GetOrder => item(orderId => 'WH-100002'))->result;
my @address = (
    item(street => '2 Quay'), item(city => 'Hull'),
    item(postalCode => 'HU1 1AA'), item(country => 'GB'),
);
my $placing = $soap->call(PlaceOrder =>
    group(customer => item(name => 'Żak & Söhne'), group(address => @address)),
    group(lines => item(sku => 'PAL-0001'), item(quantity => 3), item(unitPrice => '12.50')),
    group(lines => item(sku => 'BOX-0002'), item(quantity => 2), item(unitPrice => '0.35'))
        ->attr({ gift => 'true' }),
    item(note => $note),
);
my $number = $placing->valueof('//PlaceOrderResponse/orderId');
my $kept = $soap->call(GetOrder => item(orderId => $number));
my $label = $soap->call(GetLabel => item(orderId => 'WH-100002'));
my $listed = $soap->call(ListOrders =>
    item(status => 'cancelled'), item(since => '2026-01-01'), item(limit => 2));
my $notified = $soap->call(NotifyShipment =>
    item(orderId => $number), item(carrier => 'Swift'), item(shippedAt => '2026-01-12T08:00:00Z'));

my @gifts = map { $_->attr->{gift} eq 'true' ? JSON::PP::true : JSON::PP::false }
    $kept->dataof('//order/lines');
print JSON::PP->new->utf8->encode({
    order => {
        (map { $_ => $order->{$_} } qw(orderId status total note courier)),
        customer => $order->{customer}{name},
        city => $order->{customer}{address}{city},
    },
    unknown => fault_of($soap->call(GetOrder => item(orderId => 'WH-404404'))),
    refused => fault_of($soap->call(GetOrder => item(orderId => 'no order!'))),
    listed => [$listed->valueof('//order/orderId')],
    placed => {
        orderId => $number,
        total => scalar $placing->valueof('//PlaceOrderResponse/total'),
        customer => scalar $kept->valueof('//order/customer/name'),
        note => scalar $kept->valueof('//order/note'),
        gifts => \@gifts,
    },
    label => {
        text => decode('UTF-8', decode_base64(scalar $label->valueof('//GetLabelResponse/label'))),
        mimeType => scalar $label->valueof('//GetLabelResponse/mimeType'),
    },
    notified => !ref $notified || !$notified->fault ? JSON::PP::true : JSON::PP::false,
}), "\n";
