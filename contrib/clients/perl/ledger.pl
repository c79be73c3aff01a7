# Posts to the ledger, which is rpc/encoded, with SOAP::Lite: one party is in several entries.
#
#     perl ledger.pl WSDL-FILE ADDRESS

use strict;
use warnings;
use utf8;
use SOAP::Lite;

my (undef, $address) = @ARGV;
my $client = SOAP::Lite->proxy($address, timeout => 10)->default_ns('urn:example:ledger')
    ->on_action(sub { 'urn:example:ledger#Post' });
my $house = { name => 'Żak & Söhne', iban => undef };
my $bank = { name => 'Bank', iban => 'GB00 0000' };
$client->call('Post',
    SOAP::Data->name(book => 'main'),
    SOAP::Data->name(entries => [
        { from => $house, to => $bank, amount => 12.5 },
        { from => $bank, to => $house, amount => 0.1 },
    ]));
