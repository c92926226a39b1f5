#!/usr/bin/perl
# Verifies the DKIM signatures of messages with Mail::DKIM, asking the DNS server given: one line "FILE SELECTOR RESULT" each.
use strict;
use warnings;
use Mail::DKIM::DNS;
use Mail::DKIM::Verifier;
use Net::DNS::Resolver;

my ($address, $port, @files) = @ARGV;
die "usage: verify_mail_dkim.pl ADDRESS PORT FILE...\n" unless @files;
Mail::DKIM::DNS::resolver(Net::DNS::Resolver->new(
    nameservers => [$address], port => $port, recurse => 1, udp_timeout => 5, tcp_timeout => 5, retry => 2));
for my $file (@files) {
    open my $in, '<:raw', $file or die "$file: $!\n";
    local $/;
    my $text = <$in>;
    my $verifier = Mail::DKIM::Verifier->new;
    $verifier->PRINT($text);
    $verifier->CLOSE;
    my @signatures = $verifier->signatures;
    print "$file - none\n" unless @signatures;
    for my $signature (@signatures) {
        (my $detail = $signature->result_detail) =~ s/\s+/ /g;
        print "$file ", $signature->selector, " $detail\n";
    }
}
