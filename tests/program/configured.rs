//! Routes of a configuration file, as visible to clients and in the log.

use std::fs;
use std::process::Stdio;

use polysock_test_support::PATIENCE;
use polysock_test_support::frame::{frame, unmasked};
use polysock_test_support::opening::RFC6455;
use polysock_test_support::server::Server;
use polysock_test_support::tcp::raw_echo_server;

use crate::POLYSOCK;

/// Starts a server with these routes, in a directory with this name and these additional files.
pub(crate) fn serve(name: &str, routes: &str, beside: &[(&str, &str)]) -> Server {
    let directory = POLYSOCK.directory(name);
    for (file, text) in beside {
        fs::write(directory.join(file), text).unwrap();
    }
    let file = directory.join("polysock.toml");
    let listener = "[[listener]]\naddress = \"127.0.0.1:0\"\n";
    fs::write(&file, [listener, routes].concat()).unwrap();
    let mut command = POLYSOCK.command();
    command.arg("serve").arg("--config").arg(&file);
    let server = Server::start(command.stdin(Stdio::null()), PATIENCE);
    server.unwrap_or_else(|end| panic!("{end:?}"))
}

fn asks_for(path: &str) -> String {
    RFC6455.replace("/chat", path)
}

#[test]
fn a_token_reaches_only_permitted_targets() {
    let screen = raw_echo_server();
    let tokens =
        format!("s3cr3t-in: {screen}\ns3cr3t-out: 10.99.88.77:5900\ns3cr3t-name: desk.invalid:1\n");
    let routes = "\
        [defaults]\ntokens = \"tokens\"\nallow = [\"127.0.0.1/32\"]\n\
        [[route]]\nname = \"screens\"\npath = \"/vnc/{token}\"\ntarget = \"tcp://{token}\"\n\
        [[route]]\nname = \"by-query\"\npath = \"=/query\"\ntarget = \"tcp://{token}\"\n";
    let mut server = serve("tokens", routes, &[("tokens", &tokens)]);
    for (token, status) in [("s3cr3t-out", 403), ("s3cr3t-no", 404)] {
        for path in [format!("/vnc/{token}"), format!("/query?token={token}")] {
            let (mut client, head) = server.answers(asks_for(&path), status);
            let answer = head + &String::from_utf8_lossy(&client.rest());
            for hidden in ["10.99.88.77", "5900", "s3cr3t"] {
                assert!(!answer.contains(hidden), "{path}: {answer}");
            }
        }
    }
    for (path, shown, route) in [
        ("/vnc/s3cr3t-in", "/vnc/***", "screens"),
        ("/query?token=s3cr3t-in", "/query?token=***", "by-query"),
    ] {
        let (mut client, _) = server.answers(asks_for(path), 101);
        client.send(frame(0x82, "pixels"));
        client.expect(unmasked(0x82, "pixels"));
        client.send(frame(0x88, b"\x03\xe8"));
        client.rest();
        for moment in [" open ", " close "] {
            let line = server.log_line(moment);
            for part in [
                &format!("route=\"{route}\""),
                &format!("target=\"{shown}\""),
                &format!("upstream=\"tcp://{screen}\""),
            ] {
                assert!(line.contains(part), "no {part} in {line}");
            }
        }
    }
    let log = server.stop();
    assert!(!log.contains("s3cr3t"), "{log}");
}

#[test]
fn the_log_names_the_target_of_a_route_unless_disabled() {
    let echo = POLYSOCK.echo(&[]);
    let address = echo.address;
    let routes = format!(
        "[[route]]\npath = \"/run\"\ntarget = \"exec:cat -u\"\n\
         [[route]]\npath = \"/any\"\ntarget = \"ws+auto://{address}/\"\n\
         [[route]]\npath = \"/quiet\"\ntarget = \"ws://{address}/\"\naccess_log = false\n"
    );
    let mut server = serve("logged", &routes, &[]);
    for (path, upstream) in [
        ("/quiet", None),
        ("/run", Some("exec:cat".to_owned())),
        ("/any", Some(format!("ws://{address}/"))),
    ] {
        let (mut client, _) = server.answers(asks_for(path), 101);
        client.send(frame(0x81, "hi"));
        client.expect(unmasked(0x81, "hi"));
        client.send(frame(0x88, b"\x03\xe8"));
        client.rest();
        let Some(upstream) = upstream else { continue };
        for moment in [" open ", " close "] {
            let line = server.log_line(&format!(" route=\"{path}\""));
            for part in [moment, &format!("upstream=\"{upstream}\"")] {
                assert!(line.contains(part), "no {part} in {line}");
            }
        }
    }
    let log = server.stop();
    assert!(!log.contains("quiet"), "{log}");
}
