#!/usr/bin/perl
# Protocol::WebSocket (Debian libprotocol-websocket-perl): frames of four protocols, and no socket, which is here.
#
#   echo HOST PORT PATH SUBPROTOCOL VERSION
#   chat HOST PORT PATH TEXT COUNT VERSION
#
# VERSION: hixie-75, hixie-76, hybi-10 or rfc6455.

use strict;
use warnings;
use Encode qw(decode encode);
use IO::Select;
use IO::Socket::INET;
use Protocol::WebSocket::Frame;
use Protocol::WebSocket::Handshake::Client;

my %drafts = (
    'hixie-75' => 'draft-hixie-75',
    'hixie-76' => 'draft-ietf-hybi-00',
    'hybi-10'  => 'draft-ietf-hybi-10',
    'rfc6455'  => 'draft-ietf-hybi-17',
);

my ($mode, $host, $port, $path, @rest) = @ARGV;
my $version = $rest[-1];
my $draft = $drafts{$version} or die "no version $version\n";
my $hixie = $version =~ /^hixie/;
$| = 1;

my ($socket, $frames, $output) = (undef, undef, '');

# Writes what is to be written while reading: a server that echoes a burst may stop reading until it is read from.
sub turn {
    my $deadline = time + 90;
    while (1) {
        my ($readable, $writable) = IO::Select->select(
            IO::Select->new($socket), length $output ? IO::Select->new($socket) : undef, undef, $deadline - time);
        die "nothing more within the deadline\n" unless $readable;
        if (@$writable) {
            my $written = syswrite $socket, $output, 4096;
            die "write: $!\n" unless $written;
            substr($output, 0, $written) = '';
        }
        if (@$readable) {
            my $read = sysread $socket, my $input, 65536;
            die "read: $!\n" unless defined $read;
            return $read ? $input : undef;
        }
    }
}

sub needed { my $input = turn(); die "the server ended the stream\n" unless defined $input; return $input }

sub connect_to {
    my ($subprotocol) = @_;
    $socket = IO::Socket::INET->new(PeerAddr => $host, PeerPort => $port, Timeout => 10) or die "connect: $!\n";
    my $handshake = Protocol::WebSocket::Handshake::Client->new(url => "ws://$host:$port$path", version => $draft);
    $handshake->req->origin("http://$host:$port");
    $handshake->req->subprotocol($subprotocol) if length $subprotocol;
    $output = $handshake->to_string;
    my $input = '';
    until ($handshake->is_done) {
        $input = needed();
        # parse takes what it needs off $input.
        $handshake->parse($input) or die 'handshake: ' . $handshake->error . "\n";
    }
    $frames = Protocol::WebSocket::Frame->new(version => $draft, max_payload_size => 0);
    $frames->append($input) if length $input;
}

sub put {
    my ($type, $payload) = @_;
    my %form = $hixie ? () : (masked => 1, type => $type);
    $output .= Protocol::WebSocket::Frame->new(
        version => $draft, buffer => $payload, max_payload_size => 0, %form)->to_bytes;
}

# The next frame's payload as bytes; $frames has its type.
sub next_frame {
    my $payload;
    $frames->append(needed()) until defined($payload = $frames->next_bytes);
    return $payload;
}

sub close_cleanly {
    if ($version eq 'hixie-75') {
        # It has no closing handshake: the stream ends.
        shutdown $socket, 1;
        while (defined turn()) { }
    } elsif ($version eq 'hixie-76') {
        $output .= "\xff\x00";
        my $input = '';
        $input .= needed() while length $input < 2;
        $input =~ /\xff\x00\z/ or die "the close was not answered\n";
    } else {
        put('close', pack('n', 1000));
        my $payload;
        do { $payload = next_frame() } until $frames->is_close;
        $payload eq pack('n', 1000) or die "the close was answered with another code\n";
    }
    close $socket;
}

sub echo {
    connect_to($rest[0]);
    my @texts = ('hello', '', 'a' x 125, 'b' x 126, 'c' x 70_000, "gr\x{fc}\x{df} \x{4f60}\x{597d} \x{1f600}", "n\0ul");
    push @texts, map { "burst $_" } 0 .. 199;
    put('text', $_) for @texts;
    for my $index (0 .. $#texts) {
        my $got = decode('UTF-8', next_frame());
        $got eq $texts[$index] or die "text $index came back with length @{[length $got]}\n";
    }
    my @binaries = $hixie ? () : ("\0\1\xff", '', join('', map { chr($_ * 7 % 256) } 1 .. 70_000));
    for my $binary (@binaries) {
        put('binary', $binary);
        my $got = next_frame();
        $frames->is_binary && $got eq $binary or die "a binary came back with length @{[length $got]}\n";
    }
    unless ($hixie) {
        put('ping', 'ping');
        next_frame() eq 'ping' && $frames->is_pong or die "the ping was not answered\n";
    }
    close_cleanly();
    return @texts . ' texts, ' . @binaries . ' binaries';
}

sub chat {
    my ($text, $count) = @rest;
    connect_to('');
    my (%names, $said);
    while (1) {
        my $line = decode('UTF-8', next_frame());
        print encode('UTF-8', "$line\n");
        my ($kind, $name, undef, $what) = split /\t/, $line;
        $names{$name} = 1 if $kind =~ /^(welcome|here|join)$/;
        put('text', decode('UTF-8', $text)) if keys %names >= $count && !$said++;
        last if $kind eq 'say' && $what eq 'bye';
    }
    close_cleanly();
    return keys(%names) . ' in the room';
}

my $summary = eval { $mode eq 'chat' ? chat() : echo() };
my $why = $@;
chomp $why;
print defined $summary ? "PASS Protocol::WebSocket $version: $summary\n" : "FAIL Protocol::WebSocket $version: $why\n";
exit(defined $summary ? 0 : 1);
