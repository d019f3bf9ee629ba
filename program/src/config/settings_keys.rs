//! The keys of [`Settings`].

use polysock::BinaryOverText;
use polysock::protocols::ProxyVersion;
use polysock::upstream::ForwardedStyle;

use super::form::{Choice, List, Maybe, Switch};
use super::headers;
use super::key::{Key, Section};
use super::rewrite::{prefix, rewrite};
use super::settings::{OnReload, Settings};
use super::words::{
    OriginList, Place, Protocols, count, duration, level, network, number, optional_count,
    optional_duration, rate, size, subprotocol, upstream_host, window_bits,
};
use super::{exec, gates, queue, wamp};

/// The keys of a route that `[defaults]` has as well.
pub(super) fn keys() -> Vec<Key<Settings>> {
    let parts = [
        admission(),
        gates::keys(),
        upstream(),
        upstream_tls(),
        limits(),
        deadlines(),
        compression(),
        rest(),
    ];
    parts.into_iter().flatten().collect()
}

/// The keys of admission.
fn admission() -> Vec<Key<Settings>> {
    vec![
        Key::new(
            "protocols",
            Protocols,
            |settings: &mut Settings| &mut settings.protocols,
            "The enabled protocols: names, or \"all\", \"modern\", \"legacy\", \"default\".",
        ),
        Key::new(
            "origins",
            Maybe(OriginList),
            |settings: &mut Settings| &mut settings.origins,
            "The origins whose pages may connect, as \"https://example.com\" or \"https://*.example.com\"; \
             \"same-origin\" for pages of the requested host, \"*\" for any, \"null\" for pages without a named \
             origin, \"none\" for clients that send no origin. Others receive 403. Default: any, with a warning if \
             other machines may connect.",
        )
        .example("[\"*\"]"),
        Key::new(
            "subprotocols",
            List(subprotocol()),
            |settings| &mut settings.subprotocols,
            "The supported subprotocols, in order of preference. Empty: those that clients offer.",
        ),
        Key::new(
            "binary_over_text",
            Choice(&[
                ("close", BinaryOverText::Close),
                ("base64", BinaryOverText::Base64),
            ]),
            |settings| &mut settings.binary_over_text,
            "The handling of binary messages for clients whose protocol has none: \"base64\" sends them as text, \
             \"close\" closes the connection.",
        ),
    ]
}

/// The keys of the upstream, and of the requests that it receives.
fn upstream() -> Vec<Key<Settings>> {
    vec![
        Key::new(
            "tokens",
            Maybe(Place),
            |settings: &mut Settings| &mut settings.tokens,
            "The addresses for {token} in a target, as in websockify: a file with lines `token: HOST:PORT` or `token: \
             unix:PATH`, or a directory of such files. Changed files are read again. If the route's path does not name \
             {token}, it is taken from the query: ?token=NAME. Default: {token} is the address itself.",
        )
        .example("\"/etc/polysock/tokens\""),
        Key::new(
            "allow",
            List(network()),
            |settings| &mut settings.allow,
            "The networks to which the address of a target must belong after its name was looked up. Empty: any.",
        ),
        Key::new(
            "strip_prefix",
            prefix(),
            |settings| &mut settings.strip_prefix,
            "The prefix that is removed from the path of a request to the upstream, or \"none\". It is compared by \
             segments: \"/vnc/{token}\".",
        ),
        Key::new(
            "rewrite",
            rewrite(),
            |settings| &mut settings.rewrite,
            "The path that replaces the client's path in a request to the upstream, or \"none\". It may contain names \
             of the route's path: \"/app?room={room}\". The client's query is kept.",
        ),
        Key::new(
            "upstream_host",
            upstream_host(),
            |settings| &mut settings.upstream_host,
            "The Host in requests to an upstream: \"target\" for the host of its URL, \"keep\" for the client's, or \
             another host, as \"app.example\".",
        ),
        Key::new(
            "forwarded",
            Choice(&[
                ("x-forwarded", ForwardedStyle::XForwarded),
                ("forwarded", ForwardedStyle::Forwarded),
                ("both", ForwardedStyle::Both),
                ("none", ForwardedStyle::None),
            ]),
            |settings| &mut settings.forwarded,
            "The fields that describe the client to an upstream: \"x-forwarded\", \"forwarded\" (RFC 7239), \"both\", \
             \"none\".",
        ),
        Key::new(
            "proxy_protocol",
            Choice(&[
                ("none", None),
                ("v1", Some(ProxyVersion::V1)),
                ("v2", Some(ProxyVersion::V2)),
            ]),
            |settings| &mut settings.proxy_protocol,
            "The PROXY header at the beginning of connections to an upstream: \"v1\", \"v2\" or \"none\".",
        ),
        Key::new(
            "request_headers",
            Section {
                title: "`request_headers`",
                keys: headers::keys,
            },
            |settings: &mut Settings| &mut settings.request_headers,
            "Changes to the header fields of requests.",
        ),
        Key::new(
            "response_headers",
            Section {
                title: "`response_headers`",
                keys: headers::keys,
            },
            |settings: &mut Settings| &mut settings.response_headers,
            "Changes to the header fields of answers.",
        ),
    ]
}

/// The keys of TLS to the upstream.
#[cfg(feature = "tls")]
fn upstream_tls() -> Vec<Key<Settings>> {
    vec![Key::new(
        "upstream_tls",
        Section {
            title: "`upstream_tls`",
            keys: super::upstream_tls::keys,
        },
        |settings: &mut Settings| &mut settings.upstream_tls,
        "The TLS settings for wss://, tls:// and https:// servers, unless their [upstream.NAME] has its own.",
    )]
}

#[cfg(not(feature = "tls"))]
fn upstream_tls() -> Vec<Key<Settings>> {
    Vec::new()
}

/// The keys of size and rate limits.
fn limits() -> Vec<Key<Settings>> {
    vec![
        Key::new(
            "max_message",
            Maybe(size()),
            |settings: &mut Settings| &mut settings.max_message,
            "The maximum size of a message, or \"none\". Default: 1MiB for an application, 16KiB for the chat, and \
             none for an upstream, through which messages pass in pieces.",
        )
        .example("\"1MiB\""),
        Key::new(
            "max_frame",
            size(),
            |settings| &mut settings.limits.frame,
            "The maximum size of a frame, or \"none\".",
        ),
        Key::new(
            "max_fragments",
            number(),
            |settings| &mut settings.limits.fragments,
            "The maximum number of fragments of a message.",
        ),
        Key::new(
            "max_messages_per_second",
            optional_count(),
            |settings| &mut settings.max_messages_per_second,
            "The maximum number of messages per second from a client, or \"none\". A client that exceeds it is closed \
             with 1008.",
        ),
        Key::new(
            "max_bytes_per_second",
            rate(),
            |settings| &mut settings.terms.max_bytes_per_second,
            "The maximum number of bytes per second that are read from a client, or \"none\". A client that sends \
             faster is slowed down.",
        ),
        Key::new(
            "max_connections",
            count(),
            |settings| &mut settings.connections.total,
            "The maximum number of WebSockets of a route, or \"none\". Further clients receive 503.",
        ),
        Key::new(
            "max_connections_per_address",
            count(),
            |settings| &mut settings.connections.per_address,
            "The maximum number of WebSockets of a route from one address, or one /64 of IPv6, or \"none\". WebSockets \
             from this machine are not counted.",
        ),
    ]
}

/// The keys of timeouts.
fn deadlines() -> Vec<Key<Settings>> {
    vec![
        Key::new(
            "handshake_timeout",
            duration(),
            |settings: &mut Settings| &mut settings.handshake_timeout,
            "The time that a target has to answer an opening handshake. Then the client receives 504.",
        ),
        Key::new(
            "connect_timeout",
            duration(),
            |settings| &mut settings.connect_timeout,
            "The time limit for connecting to an upstream, its opening handshake included.",
        ),
        Key::new(
            "answer_timeout",
            duration(),
            |settings| &mut settings.answer_timeout,
            "The time that a web server has to begin its answer. Then the client receives 504.",
        ),
        Key::new(
            "body_timeout",
            optional_duration(),
            |settings| &mut settings.body_timeout,
            "The time for which a web server may send nothing within the body of an answer, or \"none\".",
        ),
        Key::new(
            "close_timeout",
            duration(),
            |settings| &mut settings.close_timeout,
            "The time that a client has to answer a close.",
        ),
        Key::new(
            "idle_timeout",
            optional_duration(),
            |settings| &mut settings.idle_timeout,
            "The time of silence after which a client is closed with 1001, or \"none\".",
        ),
        Key::new(
            "upstream_idle_timeout",
            optional_duration(),
            |settings| &mut settings.upstream_idle_timeout,
            "The time of silence after which an upstream is disconnected, or \"none\".",
        ),
        Key::new(
            "max_age",
            optional_duration(),
            |settings| &mut settings.terms.max_age,
            "The age at which a connection is closed, or \"none\".",
        ),
        Key::new(
            "send_timeout",
            optional_duration(),
            |settings| &mut settings.terms.send_timeout,
            "The time after which a client that accepts no sent data is disconnected, or \"none\".",
        ),
        Key::new(
            "ping_interval",
            optional_duration(),
            |settings| &mut settings.ping_interval,
            "The time of silence after which a client or an upstream is pinged, or \"none\". The kernel probes \
             upstreams at the same interval, and clients at the `keep_alive` of the listener.",
        ),
        Key::new(
            "pong_timeout",
            duration(),
            |settings| &mut settings.pong_timeout,
            "The time that a client or an upstream has to answer a ping, at most ping_interval.",
        ),
    ]
}

/// The keys of compression.
fn compression() -> Vec<Key<Settings>> {
    vec![
        Key::new(
            "compression",
            Switch,
            |settings: &mut Settings| &mut settings.compression.clients,
            "Whether messages are compressed for clients that offer compression.",
        ),
        Key::new(
            "upstream_compression",
            Switch,
            |settings| &mut settings.compression.upstreams,
            "Whether compression is offered to an upstream.",
        ),
        Key::new(
            "compression_level",
            level(),
            |settings| &mut settings.compression.level,
            "The compression level: 1 (fastest) to 9 (smallest).",
        ),
        Key::new(
            "compression_threshold",
            size(),
            |settings| &mut settings.compression.threshold,
            "The size below which messages are sent uncompressed.",
        ),
        Key::new(
            "window_bits",
            window_bits(),
            |settings| &mut settings.compression.window_bits,
            "The window size of compression: 9 (512 bytes) to 15 (32 KiB).",
        ),
        Key::new(
            "context_takeover",
            Switch,
            |settings| &mut settings.compression.context_takeover,
            "Whether the compression context is kept between messages: similar messages become much smaller, and each \
             connection uses up to 380 KiB more.",
        ),
    ]
}

/// The keys of access logs and reloads, and those of some targets only.
fn rest() -> Vec<Key<Settings>> {
    vec![
        Key::new(
            "access_log",
            Switch,
            |settings| &mut settings.access_log,
            "Whether the opening and the closing of each connection, and each request, are logged.",
        ),
        Key::new(
            "on_reload",
            Choice(&[("close", OnReload::Close), ("keep", OnReload::Keep)]),
            |settings: &mut Settings| &mut settings.on_reload,
            "The handling of open connections when a reload changes or removes the route: \"close\" or \"keep\".",
        ),
        Key::new(
            "drain",
            duration(),
            |settings| &mut settings.drain,
            "The time over which the connections of a changed or removed route are closed.",
        ),
        Key::new(
            "queue",
            Section {
                title: "`queue`",
                keys: queue::keys,
            },
            |settings| &mut settings.queue,
            "The queue of messages for each slow client of app:chat, app:broadcast, app:wamp and of a web app \
             (http+grip:).",
        ),
        Key::new(
            "exec",
            Section {
                title: "`exec`",
                keys: exec::keys,
            },
            |settings| &mut settings.exec,
            "The settings of exec: targets.",
        ),
        Key::new(
            "wamp",
            Section {
                title: "`wamp`",
                keys: wamp::keys,
            },
            |settings| &mut settings.wamp,
            "The settings of app:wamp.",
        ),
    ]
}
