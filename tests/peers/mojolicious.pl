# Mojolicious, which offers compression: it keeps its window whatever the answer says of it.
use strict;
use warnings;
use utf8;
use Mojo::IOLoop;
use Mojo::UserAgent;

my ($mode, $host, $port, $path, $subprotocol, $version) = @ARGV;
my @texts = ('hello', '', 'a' x 125, 'b' x 126, 'c' x 70000, 'd' x 70000, "gr\x{fc}\x{df} \x{4f60}\x{597d}", "n\0ul");
# So many that they refer to each other.
push @texts, map {"m$_"} 0 .. 1999;

# What stops the loop has said whether all was well.
my $verdict = 'no end within the deadline';
my $end     = sub { $verdict = shift; Mojo::IOLoop->stop };
Mojo::IOLoop->timer(90 => sub { Mojo::IOLoop->stop });

my $agent = Mojo::UserAgent->new(max_redirects => 0, inactivity_timeout => 60);
my $head  = {Origin => "http://$host:$port", 'Sec-WebSocket-Extensions' => 'permessage-deflate'};
my $open  = $agent->build_websocket_tx("ws://$host:$port$path", $head, $subprotocol ? [$subprotocol] : ());
$agent->start($open => sub {
  my (undef, $tx) = @_;
  return $end->('no handshake: ' . ($tx->error // {message => $tx->res->code})->{message}) unless $tx->is_websocket;
  my $at   = 0;
  my $next = sub { $tx->send({text => Mojo::Util::encode('UTF-8', $texts[$at])}) };
  $tx->on(text => sub {
    my (undef, $bytes) = @_;
    return $end->("message $at came back otherwise") if $bytes ne Mojo::Util::encode('UTF-8', $texts[$at]);
    return $tx->finish(1000) if ++$at == @texts;
    $next->();
  });
  $tx->on(finish => sub {
    my (undef, $code) = @_;
    return $end->("closed with $code at message $at") unless $code == 1000 && $at == @texts;
    # It has said so before it has written its close.
    Mojo::IOLoop->timer(0.1 => sub { $end->('') });
  });
  $next->();
});
Mojo::IOLoop->start;

print $verdict eq '' ? "PASS mojolicious: @{[scalar @texts]} messages\n" : "FAIL mojolicious: $verdict\n";
exit($verdict eq '' ? 0 : 1);
