//! HAProxy and nginx in front: clients of hixie-76 and version 13 pass through, and the application
//! receives their true addresses and their scheme.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::env;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::yield_now;
use std::time::Instant;

use polysock::protocols::PROTOCOLS;
use polysock::{Accept, BoxError, Gateway, Handshake, PortSettings, Site};
use polysock_test_support::PATIENCE;
use polysock_test_support::client::Client;
use polysock_test_support::gateway;
use polysock_test_support::opening::{
    HIXIE_76, HIXIE_76_BODY, HIXIE_76_DIGEST, RFC6455, assert_status, field,
};
use polysock_test_support::peers::Peer;
use polysock_test_support::process::Process;
use polysock_test_support::server::Server;
use socket2::{Domain, Socket, Type};

use crate::POLYSOCK;

/// The address of the client. The proxies connect from another address of this machine.
const CLIENT: Ipv4Addr = Ipv4Addr::new(127, 1, 2, 3);

/// The arguments of the gateways, by the way in which the proxy names its clients.
const BELIEVES_FIELDS: &[&str] = &["--forwarded", "127.0.0.1"];
const BELIEVES_HEADER: &[&str] = &["--proxy-protocol", "127.0.0.1"];
const BELIEVES_BOTH: &[&str] = &["--forwarded", "127.0.0.1", "--proxy-protocol", "127.0.0.1"];

/// Starts an echo server. Returns its URL and the heads of its requests.
fn upstream() -> (String, Receiver<String>) {
    let (sender, heads) = channel();
    let echo = move |handshake: Handshake| {
        let head = String::from_utf8_lossy(handshake.request().head.as_bytes());
        let _ = sender.send(head.into_owned());
        async {
            let accept = Accept::first_offered(handshake.request());
            let mut connection = handshake.accept(accept).await?;
            connection
                .answer(|message, answers| Ok::<_, BoxError>(answers.send(message)?))
                .await
        }
    };
    let settings = PortSettings {
        protocols: PROTOCOLS.to_vec(),
        ..PortSettings::default()
    };
    let address = gateway::serve(Gateway::with_site(Site::new(echo), settings));
    (format!("ws://{address}"), heads)
}

/// Starts a gateway to that server, which trusts the proxy in front.
fn gateway(url: &str, believes: &[&str]) -> Server {
    let arguments = ["--protocols", "all", url];
    POLYSOCK.serve(&[&arguments, believes].concat())
}

/// Returns the path of a program. If the program is not installed, reports that and returns `None`,
/// or fails the test.
fn installed(name: &str, places: &[&str]) -> Option<PathBuf> {
    let path = env::var("PATH").unwrap_or_default();
    let directories = path.split(':').chain(places.iter().copied());
    let found = directories.map(|directory| Path::new(directory).join(name));
    let found = found.into_iter().find(|file| file.exists());
    if found.is_none() {
        assert!(
            env::var_os("POLYSOCK_PEERS_REQUIRED").is_none(),
            "{name} is not installed, run tests/peers/install"
        );
        // The test harness captures the output of `eprintln!`.
        let skipped = format!("SKIPPED {name}: not installed, run tests/peers/install\n");
        let _ = std::io::stderr().write_all(skipped.as_bytes());
    }
    found
}

/// A proxy that listens on this address until it is dropped.
pub(super) struct Proxy {
    pub(super) address: SocketAddr,
    _port: Option<Socket>,
    _process: Process,
}

/// Starts HAProxy. Its stdin is a socket that listens already, so the port is not fixed and the
/// test need not wait.
fn haproxy(name: &str, configuration: &str) -> Option<Proxy> {
    let program = installed("haproxy", &["/usr/sbin"])?;
    let configuration = format!(
        "global\n    maxconn 100\n\
         defaults\n    mode http\n    timeout connect 60s\n    timeout client 60s\n    \
         timeout server 60s\n    timeout tunnel 60s\n\
         frontend front\n    bind fd@0\n{configuration}"
    );
    let file = POLYSOCK.directory(name).join("haproxy.cfg");
    std::fs::write(&file, configuration).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let mut command = Command::new(program);
    command.arg("-db").arg("-f").arg(file);
    command.stdin(Stdio::from(OwnedFd::from(listener)));
    Some(Proxy {
        address,
        _port: None,
        _process: Process::start(&mut command),
    })
}

/// The same with nginx, on a port that is reserved for it.
pub(super) fn nginx(name: &str, configuration: impl FnOnce(SocketAddr) -> String) -> Option<Proxy> {
    let program = installed("nginx", &["/usr/sbin"])?;
    let directory = POLYSOCK.directory(name);
    // Sockets that share a port may all be bound to it, and only those that listen receive
    // connections.
    let port = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    port.set_reuse_port(true).unwrap();
    let any = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0);
    port.bind(&any.into()).unwrap();
    let address = port.local_addr().unwrap().as_socket().unwrap();
    let file = directory.join("nginx.conf");
    let configuration = format!(
        "daemon off;\nmaster_process off;\npid {0}/pid;\nerror_log stderr;\n{1}",
        directory.display(),
        configuration(address).replace("DIRECTORY", &directory.display().to_string())
    );
    std::fs::write(&file, configuration).unwrap();
    let mut command = Command::new(program);
    command.arg("-p").arg(&directory).arg("-c").arg(file);
    let process = Process::start(command.stdin(Stdio::null()));
    let end = Instant::now() + PATIENCE;
    while TcpStream::connect(address).is_err() {
        assert!(Instant::now() < end, "nginx does not listen");
        yield_now();
    }
    Some(Proxy {
        address,
        _port: Some(port),
        _process: process,
    })
}

/// Connects a client at [`CLIENT`].
fn connect(address: SocketAddr) -> Client {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket
        .bind(&SocketAddr::new(CLIENT.into(), 0).into())
        .unwrap();
    socket.connect_timeout(&address.into(), PATIENCE).unwrap();
    Client::over(TcpStream::from(socket))
}

/// Echoes through a proxy and a gateway in hixie-76, for a page that uses a URL with this scheme.
fn hixie_76(proxy: &Proxy, scheme: &str, is_late: bool) {
    let mut client = connect(proxy.address);
    if is_late {
        // Some clients wait for the head of the answer.
        client.send(HIXIE_76);
    } else {
        client.send([HIXIE_76.as_bytes(), HIXIE_76_BODY].concat());
    }
    let head = client.head();
    assert_status(&head, 101);
    let location = format!("{scheme}://example.com/demo");
    let told = field(&head, "Sec-WebSocket-Location");
    assert_eq!(told, Some(&*location));
    if is_late {
        client.send(HIXIE_76_BODY);
    }
    client.expect(HIXIE_76_DIGEST);
    client.send(b"\0Hello\xff");
    client.expect(b"\0Hello\xff");
}

/// The same in version 13.
fn version_13(proxy: &Proxy) {
    let mut client = connect(proxy.address);
    client.send(RFC6455);
    assert_status(&client.head(), 101);
    client.send(b"\x81\x85\0\0\0\0Hello");
    client.expect(b"\x81\x05Hello");
}

/// Checks the fields that the upstream has received about a client with this scheme, and the log.
#[track_caller]
fn assert_told(heads: &Receiver<String>, server: &mut Server, scheme: &str) {
    let head = heads.recv_timeout(PATIENCE).unwrap();
    let client = CLIENT.to_string();
    let path = field(&head, "X-Forwarded-For").unwrap_or_default();
    assert_eq!(path.split(", ").next(), Some(&*client), "{head}");
    assert_eq!(field(&head, "X-Real-IP"), Some(&*client), "{head}");
    assert_eq!(field(&head, "X-Forwarded-Proto"), Some(scheme), "{head}");
    let line = server.log_line(" open ");
    assert!(line.contains(&format!("peer={client}")), "{line}");
}

/// Runs the echo checks of third-party clients.
fn third_parties(proxy: &Proxy, heads: &Receiver<String>, clients: &[(&str, &str)]) {
    let port = proxy.address.port().to_string();
    for (peer, version) in clients {
        Peer::start(&[peer, "127.0.0.1", &port, "/echo", "", version]).passes();
    }
    while heads.try_recv().is_ok() {}
}

/// A backend of HAProxy in HTTP mode, for a frontend that terminates TLS or could.
fn http_backend(address: SocketAddr, options: &str, proto: &str) -> String {
    format!(
        "backend http\n    option forwardfor\n    \
         http-request set-header X-Forwarded-Proto {proto}\n    \
         http-request del-header Forwarded\n    server polysock {address} {options}\n"
    )
}

#[test]
fn version_13_comes_through_haproxy_in_http_mode_with_fields_and_with_a_proxy_header() {
    for (options, believes) in [
        ("", BELIEVES_FIELDS),
        ("send-proxy", BELIEVES_BOTH),
        ("send-proxy-v2", BELIEVES_BOTH),
    ] {
        let (url, heads) = upstream();
        let mut server = gateway(&url, believes);
        let backend = http_backend(server.address, options, "https");
        let configuration = format!("    default_backend http\n{backend}");
        let Some(proxy) = haproxy(&format!("haproxy-13-{options}"), &configuration) else {
            return;
        };
        version_13(&proxy);
        assert_told(&heads, &mut server, "https");
        third_parties(&proxy, &heads, &[("ws", "8"), ("undici", "7")]);
        server.stop();
    }
}

/// From version 2.4, HAProxy in HTTP mode refuses a handshake without `Sec-WebSocket-Key`. So
/// requests with the keys of hixie-76 stay in TCP mode, and a PROXY header names their client.
#[test]
fn hixie_76_and_version_13_come_through_one_port_of_haproxy() {
    for header in ["send-proxy", "send-proxy-v2"] {
        let (url, heads) = upstream();
        let mut of_http = gateway(&url, BELIEVES_FIELDS);
        let mut of_tcp = gateway(&url, BELIEVES_HEADER);
        let http = http_backend(of_http.address, "", "https");
        let configuration = format!(
            "    mode tcp\n    \
             tcp-request inspect-delay 60s\n    \
             tcp-request content set-var(txn.head) req.payload(0,0)\n    \
             acl hixie-76 var(txn.head) -m reg -i sec-websocket-key1:\n    \
             acl complete var(txn.head),hex -m sub 0D0A0D0A\n    \
             tcp-request content accept if hixie-76\n    \
             tcp-request content switch-mode http if complete\n    \
             tcp-request content reject if WAIT_END\n    \
             use_backend raw if hixie-76\n    default_backend http\n{http}\
             backend raw\n    mode tcp\n    server polysock {} {header}\n",
            of_tcp.address
        );
        let Some(proxy) = haproxy(&format!("haproxy-both-{header}"), &configuration) else {
            return;
        };
        for is_late in [false, true] {
            hixie_76(&proxy, "ws", is_late);
            assert_told(&heads, &mut of_tcp, "http");
        }
        version_13(&proxy);
        assert_told(&heads, &mut of_http, "https");
        third_parties(&proxy, &heads, &[("phantomjs", "1.9.8"), ("ws", "8")]);
        of_tcp.stop();
        of_http.stop();
    }
}

/// Starts nginx with the fields that its documentation recommends for WebSockets.
fn nginx_http(name: &str, server: &Server, proto: &str) -> Option<Proxy> {
    nginx(name, |address| {
        format!(
            "events {{}}\nhttp {{\n  access_log off;\n  client_body_temp_path DIRECTORY/body;\n  \
             proxy_temp_path DIRECTORY/proxy;\n  fastcgi_temp_path DIRECTORY/fastcgi;\n  \
             uwsgi_temp_path DIRECTORY/uwsgi;\n  scgi_temp_path DIRECTORY/scgi;\n  \
             server {{\n    listen {address} reuseport;\n    location / {{\n      \
             proxy_pass http://{};\n      proxy_http_version 1.1;\n      \
             proxy_set_header Upgrade $http_upgrade;\n      \
             proxy_set_header Connection \"upgrade\";\n      \
             proxy_set_header Host $http_host;\n      \
             proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;\n      \
             proxy_set_header X-Forwarded-Proto {proto};\n      \
             proxy_set_header Forwarded \"\";\n    }}\n  }}\n}}\n",
            server.address
        )
    })
}

#[test]
fn hixie_76_and_version_13_come_through_nginx_with_fields() {
    for (proto, scheme) in [("https", "wss"), ("$scheme", "ws")] {
        let (url, heads) = upstream();
        let mut server = gateway(&url, BELIEVES_FIELDS);
        let name = format!("nginx-http-{scheme}");
        let Some(proxy) = nginx_http(&name, &server, proto) else {
            return;
        };
        let proto = if scheme == "wss" { "https" } else { "http" };
        for is_late in [false, true] {
            hixie_76(&proxy, scheme, is_late);
            assert_told(&heads, &mut server, proto);
        }
        version_13(&proxy);
        assert_told(&heads, &mut server, proto);
        let clients = [("ws", "8"), ("phantomjs", "1.9.8")];
        // The page uses ws:// and compares the scheme of the answer.
        let count = if scheme == "ws" { 2 } else { 1 };
        third_parties(&proxy, &heads, clients.get(..count).unwrap());
        server.stop();
    }
}

#[test]
fn hixie_76_and_version_13_come_through_nginx_with_a_proxy_header() {
    let modules = ["/usr/lib/nginx/modules", "/usr/lib64/nginx/modules"];
    let Some(module) = installed("ngx_stream_module.so", &modules) else {
        return;
    };
    let (url, heads) = upstream();
    let mut server = gateway(&url, BELIEVES_HEADER);
    let to = server.address;
    let proxy = nginx("nginx-stream", |address| {
        format!(
            "load_module {};\nevents {{}}\nstream {{\n  server {{\n    listen {address} reuseport;\n    \
             proxy_pass {to};\n    proxy_protocol on;\n  }}\n}}\n",
            module.display()
        )
    });
    let Some(proxy) = proxy else { return };
    for is_late in [false, true] {
        hixie_76(&proxy, "ws", is_late);
        assert_told(&heads, &mut server, "http");
    }
    version_13(&proxy);
    assert_told(&heads, &mut server, "http");
    third_parties(&proxy, &heads, &[("phantomjs", "1.9.8"), ("ws", "8")]);
    server.stop();
}
