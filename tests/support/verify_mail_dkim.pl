#!/usr/bin/perl
# Verifies the DKIM signatures of messages with Mail::DKIM: one line "FILE SELECTOR RESULT" each.
# Keys come from a file of lines "NAME TXT-VALUE", so that a verdict never hangs on a packet on its way.
use strict;
use warnings;
use Mail::DKIM::DNS;
use Mail::DKIM::Verifier;

# What Mail::DKIM asks of a Net::DNS::Resolver: send() and errorstring().
package KeyTable {
    use Net::DNS;

    sub new {
        my ($class, $file) = @_;
        open my $in, '<:raw', $file or die "$file: $!\n";
        my %table = map { chomp; split / /, $_, 2 } <$in>;
        return bless {table => \%table}, $class;
    }

    sub send {
        my ($self, $name, $type) = @_;
        my $packet = Net::DNS::Packet->new($name, $type);
        my $value = uc $type eq 'TXT' ? $self->{table}{lc $name} : undef;
        if (defined $value) {
            my @strings = unpack '(a255)*', $value;
            $packet->push(answer => Net::DNS::RR->new(owner => $name, type => 'TXT', ttl => 5, txtdata => \@strings));
        }
        $packet->header->qr(1);
        $packet->header->rcode(defined $value ? 'NOERROR' : 'NXDOMAIN');
        $self->{errorstring} = $packet->header->rcode;
        return $packet;
    }

    sub errorstring { return $_[0]{errorstring} }
}

my ($keys, @files) = @ARGV;
die "usage: verify_mail_dkim.pl KEYS FILE...\n" unless @files;
Mail::DKIM::DNS::resolver(KeyTable->new($keys));
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
