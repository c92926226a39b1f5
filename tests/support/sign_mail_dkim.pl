#!/usr/bin/perl
# Signs the message on standard input with Mail::DKIM: DOMAIN SELECTOR KEYFILE HEADER/BODY; prints the message with its signature.
use strict;
use warnings;
use Mail::DKIM::PrivateKey;
use Mail::DKIM::Signer;

my ($domain, $selector, $file, $method) = @ARGV;
die "usage: sign_mail_dkim.pl DOMAIN SELECTOR KEYFILE relaxed/simple < message\n" unless $method;
binmode STDIN;
binmode STDOUT;
my $text   = do { local $/; <STDIN> };
my $signer = Mail::DKIM::Signer->new(
    Algorithm => 'rsa-sha256',
    Method    => $method,
    Domain    => $domain,
    Selector  => $selector,
    Key       => Mail::DKIM::PrivateKey->load(File => $file),
);
$signer->PRINT($text);
$signer->CLOSE;
print $signer->signature->as_string, "\r\n", $text;
