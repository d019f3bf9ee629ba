//! The log files of `polysock serve`.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use polysock_test_support::PATIENCE;
use polysock_test_support::client::Client;
use polysock_test_support::frame::close;
use polysock_test_support::opening::{RFC6455, versioned, with};
use polysock_test_support::process::Process;
use polysock_test_support::program::Input;
use polysock_test_support::server::Server;

use crate::POLYSOCK;

/// Returns the command for a chat, which serves a page too.
fn chat() -> Command {
    let mut command = POLYSOCK.command();
    command.args(["serve", "--listen", "127.0.0.1:0", "--app", "chat"]);
    command.stdin(Stdio::null());
    command
}

fn start(command: &mut Command) -> Server {
    Server::start(command, PATIENCE).unwrap_or_else(|end| panic!("{end:?}"))
}

/// Waits until a file contains this part.
#[track_caller]
fn waits_for(file: &Path, part: &str) -> String {
    let began = Instant::now();
    loop {
        let text = fs::read_to_string(file).unwrap_or_default();
        if text.contains(part) {
            return text;
        }
        assert!(began.elapsed() < PATIENCE, "no {part} in {text}");
    }
}

/// A server that logs to a file.
struct Logging {
    process: Process,
    address: std::net::SocketAddr,
}

impl Logging {
    fn start(command: &mut Command, log: &Path) -> Self {
        let process = Process::start(command);
        let text = waits_for(log, "listening on 127.0.0.1:");
        let (_, rest) = text.rsplit_once("listening on ").unwrap();
        let address = rest.lines().next().unwrap().trim();
        Self {
            process,
            address: address.parse().unwrap(),
        }
    }

    fn visit(&self) {
        let mut client = Client::connect(self.address);
        client.send(RFC6455);
        client.head();
        client.send(close(1000));
        client.rest();
    }

    fn stop(mut self) -> String {
        self.process.signal("TERM");
        let end = self.process.end(PATIENCE);
        assert_eq!(end.status.unwrap().code(), Some(0), "{}", end.output);
        end.output
    }
}

/// Causes one log line of each kind.
fn visits(server: &Server) {
    let mut client = server.answers(with(RFC6455, "Origin: http://a\r\n"), 101).0;
    client.send(close(1000));
    client.rest();
    server.answers(with(RFC6455, "Origin: http://b\r\n"), 403);
    server.answers(versioned("9", ""), 426);
    let get = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    server.answers(get, 200).0.rest();
}

const KINDS: [&str; 5] = [
    " INFO open ",
    " INFO close ",
    " INFO reject ",
    " INFO refuse ",
    " INFO request ",
];

#[test]
fn access_lines_may_have_a_separate_log() {
    let directory = POLYSOCK.directory("access-log");
    let file = directory.join("access.log");
    let stdout = directory.join("stdout");
    for (access, written) in [
        (None, None),
        (Some(file.to_str().unwrap()), Some(&file)),
        (Some("-"), Some(&stdout)),
        (Some("off"), None),
    ] {
        let mut command = chat();
        command.args(["--origin", "http://a"]);
        command.args(
            access
                .map(|access| ["--access-log", access])
                .iter()
                .flatten(),
        );
        command.stdout(File::create(&stdout).unwrap());
        let process = Process::start_logging(&mut command);
        let mut server = Server::of(process, PATIENCE).unwrap_or_else(|end| panic!("{end:?}"));
        visits(&server);
        let log = server.stop();
        let access_log = written.map(|file| fs::read_to_string(file).unwrap());
        for kind in KINDS {
            let count = |log: &str| log.lines().filter(|line| line.contains(kind)).count();
            assert_eq!(
                count(&log),
                usize::from(access.is_none()),
                "{access:?}: {log}"
            );
            if let Some(access_log) = &access_log {
                assert_eq!(count(access_log), 1, "{access:?}: {access_log}");
                assert_eq!(access_log.lines().count(), KINDS.len(), "{access_log}");
            }
        }
        assert!(log.contains(" INFO closing connections (SIGTERM)"), "{log}");
        if access != Some("-") {
            assert_eq!(fs::read_to_string(&stdout).unwrap(), "");
        }
    }
    let mode = fs::metadata(&file).unwrap().mode();
    assert_eq!(mode & 0o137, 0, "{mode:o}");
}

#[test]
fn sigusr1_has_files_opened_again() {
    let directory = POLYSOCK.directory("log-rotation");
    let place = |name: &str| directory.join(name);
    let (log, access) = (place("error.log"), place("access.log"));
    fs::write(&log, "from before\n").unwrap();
    let mut command = chat();
    command.arg("--log-file").arg(&log);
    command.arg("--access-log").arg(&access);
    let server = Logging::start(&mut command, &log);
    server.visit();
    waits_for(&access, " INFO close ");
    let rotated = [place("error.log.1"), place("access.log.1")];
    fs::rename(&log, &rotated[0]).unwrap();
    fs::rename(&access, &rotated[1]).unwrap();
    server.process.signal("USR1");
    waits_for(&log, " INFO log files are opened again (SIGUSR1)");
    server.visit();
    waits_for(&access, " INFO close ");

    // If a file cannot be reopened, the old one stays in use.
    fs::rename(&log, place("error.log.2")).unwrap();
    fs::create_dir(&log).unwrap();
    server.process.signal("USR1");
    let problem = format!(
        "the log {} cannot be reopened; the old file stays open",
        log.display()
    );
    waits_for(&place("error.log.2"), &problem);
    assert_eq!(server.stop(), "");
    let rotated = rotated.map(|file| fs::read_to_string(file).unwrap());
    assert!(rotated[0].starts_with("from before\n"), "{}", rotated[0]);
    assert_eq!(rotated[1].matches(" INFO close ").count(), 1);
}

#[test]
fn a_log_that_cannot_be_opened_is_an_error() {
    let directory = POLYSOCK.directory("log-unopened");
    let file = directory.join("no/such.log");
    let problem = format!(
        "polysock: the log {} cannot be opened: No such file or directory (os error 2)\n",
        file.display()
    );
    let config = |key: &str| -> PathBuf {
        let config = directory.join(format!("{key}.toml"));
        let text = format!("[log]\n{key} = \"no/such.log\"\n[[route]]\ntarget = \"app:echo\"\n");
        fs::write(&config, text).unwrap();
        config
    };
    let path = file.to_str().unwrap();
    let (of_log, of_access) = (config("file"), config("access"));
    for (arguments, code) in [
        (["--log-file", path], 1),
        (["--access-log", path], 1),
        (["--config", of_log.to_str().unwrap()], 78),
        (["--config", of_access.to_str().unwrap()], 78),
    ] {
        let run = POLYSOCK.run(&[&["serve"], &arguments[..]].concat(), Input::NOTHING);
        assert_eq!(
            (run.code, run.stderr),
            (Some(code), problem.clone()),
            "{arguments:?}"
        );
    }
}

#[test]
fn a_full_disk_stops_nothing_and_is_reported() {
    let problem =
        "the log /dev/full cannot be written, and its lines are lost: No space left on device";
    let mut server = POLYSOCK.echo(&["--access-log", "/dev/full"]);
    for _ in 0..2 {
        let mut client = server.websocket();
        client.send(close(1000));
        client.rest();
    }
    let log = server.stop();
    let told = log.lines().filter(|line| line.contains(problem));
    assert!(told.clone().all(|line| line.contains("ERROR")), "{log}");
    assert_eq!(told.count(), 1, "{log}");

    let mut command = chat();
    let access = POLYSOCK.directory("full-disk").join("access.log");
    command.args(["--log-file", "/dev/full"]);
    command.arg("--access-log").arg(&access);
    let mut process = Process::start(&mut command);
    let said = process.wait_for_line(PATIENCE, |line| {
        line.contains(problem).then(|| line.to_owned())
    });
    assert!(said.unwrap().starts_with("polysock: "));
    process.signal("TERM");
    let end = process.end(PATIENCE);
    assert_eq!(end.status.unwrap().code(), Some(0), "{}", end.output);
    assert_eq!(end.output.lines().count(), 1, "{}", end.output);
}

/// A startup error is printed to the terminal even if the log is a file.
#[test]
fn a_startup_error_is_printed_in_addition_to_the_log_file() {
    let file = POLYSOCK.directory("log-of-end").join("log");
    let taken = POLYSOCK.echo(&[]);
    let address = taken.address.to_string();
    let path = file.to_str().unwrap();
    let arguments = ["serve", "--listen", &address, "--log-file", path];
    let run = POLYSOCK.run(&arguments, Input::NOTHING);
    let log = fs::read_to_string(&file).unwrap();
    assert_eq!(run.code, Some(1));
    let problem = format!("cannot listen on {address}: ");
    assert!(
        run.stderr.starts_with(&format!("polysock: {problem}")),
        "{}",
        run.stderr
    );
    assert!(log.contains(&format!("ERROR {problem}")), "{log}");
}

/// A file replaces the socket of the journal, which is recognised by its device and inode.
#[test]
fn a_line_for_the_journal_begins_with_its_priority() {
    let directory = POLYSOCK.directory("journal");
    for (is_journal, format) in [(true, "text"), (true, "json"), (false, "text")] {
        let path = directory.join(format);
        let stderr = File::create(&path).unwrap();
        let found = stderr.metadata().unwrap();
        let inode = found.ino() + u64::from(!is_journal);
        let mut command = chat();
        let child = command
            .args(["--log-format", format, "--access-log", "off"])
            .env("JOURNAL_STREAM", format!("{}:{inode}", found.dev()))
            .stdout(Stdio::null())
            .stderr(stderr)
            .spawn();
        let mut child = child.unwrap();
        waits_for(&path, "listening on 127.0.0.1:");
        polysock_test_support::process::signal(&child, "TERM");
        assert_eq!(child.wait().unwrap().code(), Some(0));
        let log = fs::read_to_string(&path).unwrap();
        assert!(log.lines().count() >= 2, "{log}");
        for line in log.lines() {
            let rest = line
                .strip_prefix("<6>")
                .or_else(|| line.strip_prefix("<4>"));
            assert_eq!(rest.is_some(), is_journal, "{line}");
            assert!(format == "text" || rest.unwrap().starts_with('{'), "{line}");
        }
    }
}

#[test]
fn a_reload_changes_the_level_and_nothing_else() {
    let file = POLYSOCK.directory("log-level").join("polysock.toml");
    let write = |log: &str| {
        let rest = "[[listener]]\naddress = \"127.0.0.1:0\"\n[[route]]\ntarget = \"app:echo\"\n";
        fs::write(&file, format!("[log]\n{log}\n{rest}")).unwrap();
    };
    let start = |rust_log: Option<&str>| {
        write("level = \"info\"");
        let mut command = POLYSOCK.command();
        command.envs(rust_log.map(|level| ("RUST_LOG", level)));
        command.arg("serve").arg("--config").arg(&file);
        start(command.stdin(Stdio::null()))
    };
    let mut server = start(None);
    write("level = \"warn,polysock=debug\"\nformat = \"json\"");
    server.signal("HUP");
    server.log_line("`log.format` has changed; the change needs a restart");
    server.log_line("INFO the log level is now warn,polysock=debug");
    server.log_line("the configuration is in force");
    // The new level still permits the line that reports the end of the reload.
    write("level = \"error,polysock::serving=info\"\nformat = \"json\"");
    server.signal("HUP");
    server.log_line("the configuration is in force");
    let mut client = server.websocket();
    client.send(close(1000));
    client.rest();
    let log = server.stop();
    assert_eq!(log.matches(" INFO open ").count(), 0, "{log}");
    assert!(!log.contains("SIGTERM"), "{log}");

    let mut server = start(Some("info"));
    write("level = \"error\"");
    server.signal("HUP");
    server.log_line("the log level is set by RUST_LOG and does not change");
    assert!(server.stop().contains("SIGTERM"));
}
