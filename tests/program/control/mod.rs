//! The control listener, by which operators observe and control a server.

mod acting;
mod page;
mod reading;
mod tapping;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use polysock_test_support::PATIENCE;
use polysock_test_support::server::Server;
use serde_json::Value;

use crate::POLYSOCK;

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// A server with a control listener.
struct Controlled {
    server: Server,
    at: At,
}

enum At {
    Unix(PathBuf),
    Tcp(String),
}

/// Starts a server with these arguments and a control listener on a Unix socket.
fn on_unix(name: &str, arguments: &[&str]) -> Controlled {
    let socket = POLYSOCK.directory(name).join("control.sock");
    let control = format!("unix:{}", socket.display());
    let arguments = [&["--control", &control], arguments].concat();
    let mut server = POLYSOCK.serve(&arguments);
    server.log_line("control listener on ");
    Controlled {
        server,
        at: At::Unix(socket),
    }
}

/// Starts a server with this configuration, and waits for its control listener.
fn configured(config: &std::path::Path, socket: PathBuf) -> Controlled {
    let mut command = POLYSOCK.command();
    command.args(["serve", "--config"]).arg(config);
    let server = Server::start(&mut command, PATIENCE);
    let mut server = server.unwrap_or_else(|_| panic!("it listens"));
    server.log_line("control listener on ");
    Controlled {
        server,
        at: At::Unix(socket),
    }
}

/// Starts a server with a control listener on TCP, with or without a token.
fn on_tcp(name: &str, has_token: bool, arguments: &[&str]) -> Controlled {
    let file = POLYSOCK.directory(name).join("token");
    std::fs::write(&file, format!("{TOKEN}\n")).unwrap();
    let file = file.display().to_string();
    let mut all = vec!["--control", "127.0.0.1:0"];
    if has_token {
        all.extend(["--control-token-file", &file]);
    }
    all.extend(arguments);
    let mut server = POLYSOCK.serve(&all);
    let line = server.log_line("control listener on ");
    let (_, address) = line.split_once("control listener on ").unwrap();
    let address = address.trim().to_owned();
    Controlled {
        server,
        at: At::Tcp(address),
    }
}

impl Controlled {
    /// Returns the status, the fields and the body of the answer to a request.
    fn ask_with(
        &self,
        method: &str,
        path: &str,
        fields: &[(&str, &str)],
        body: &str,
    ) -> (u16, String, String) {
        let host = match &self.at {
            At::Unix(_) => "localhost",
            At::Tcp(address) => address,
        };
        let mut request = format!(
            "{method} {path} HTTP/1.1\r\nConnection: close\r\nContent-Length: {}\r\n",
            body.len()
        );
        if !fields.iter().any(|(name, _)| *name == "Host") {
            request += &format!("Host: {host}\r\n");
        }
        for (name, value) in fields {
            request += &format!("{name}: {value}\r\n");
        }
        request += &format!("\r\n{body}");
        let mut answer = Vec::new();
        match &self.at {
            At::Unix(path) => {
                let mut stream = UnixStream::connect(path).unwrap();
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                stream.write_all(request.as_bytes()).unwrap();
                stream.read_to_end(&mut answer).unwrap();
            }
            At::Tcp(address) => {
                let mut stream = TcpStream::connect(address).unwrap();
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                stream.write_all(request.as_bytes()).unwrap();
                stream.read_to_end(&mut answer).unwrap();
            }
        }
        let answer = String::from_utf8(answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let body = match head
            .to_ascii_lowercase()
            .contains("transfer-encoding: chunked")
        {
            true => unchunked(body),
            false => body.to_owned(),
        };
        (status, head.to_owned(), body)
    }

    fn get(&self, path: &str) -> (u16, String) {
        let (status, _, body) = self.ask_with("GET", path, &[], "");
        (status, body)
    }

    fn json(&self, path: &str) -> Value {
        let (status, body) = self.get(path);
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).unwrap_or_else(|error| panic!("{path}: {error}: {body}"))
    }

    fn post(&self, path: &str, body: &str) -> (u16, String) {
        let fields = [("Content-Type", "application/json")];
        let (status, _, body) = self.ask_with("POST", path, &fields, body);
        (status, body)
    }

    /// Runs a `polysock` command with `--control`. Returns its exit code and its output.
    fn ctl(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let at = match &self.at {
            At::Unix(path) => format!("unix:{}", path.display()),
            At::Tcp(address) => address.clone(),
        };
        let (command, rest) = arguments.split_first().unwrap();
        let all = [&[*command, "--control", &at], rest].concat();
        let run = POLYSOCK.run(&all, polysock_test_support::program::Input::NOTHING);
        (run.code, run.text().to_owned())
    }

    /// Waits until there are this many connections.
    fn has(&self, count: u64) {
        let end = std::time::Instant::now() + PATIENCE;
        loop {
            let now = self.json("/connections")["count"].as_u64().unwrap();
            if now == count {
                return;
            }
            assert!(
                std::time::Instant::now() < end,
                "{now} connections, and not {count}"
            );
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    }
}

fn unchunked(mut body: &str) -> String {
    let mut text = String::new();
    while let Some((len, rest)) = body.split_once("\r\n") {
        let len = usize::from_str_radix(len, 16).unwrap();
        if len == 0 {
            break;
        }
        text.push_str(&rest[..len]);
        body = &rest[len + 2..];
    }
    text
}
