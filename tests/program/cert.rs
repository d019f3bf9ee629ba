//! `polysock cert`: certificates for trying out TLS.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use polysock_test_support::PATIENCE;
use polysock_test_support::program::{self, Input, Run};
use polysock_test_support::server::Server;

use crate::POLYSOCK;

/// Runs `polysock cert self-signed` in a directory.
fn self_signed(directory: &Path, arguments: &[&str]) -> Run {
    run(directory, &[&["cert", "self-signed"], arguments].concat())
}

fn run(directory: &Path, arguments: &[&str]) -> Run {
    let mut command = POLYSOCK.command();
    command.args(arguments).current_dir(directory);
    program::run(&mut command, PATIENCE, Input::Bytes(b"hello\n"))
}

fn serve(directory: &Path, arguments: &[&str]) -> Server {
    let mut command = POLYSOCK.command();
    command
        .args(["serve", "--app", "echo", "--listen", "127.0.0.1:0"])
        .args(arguments)
        .current_dir(directory);
    Server::start(&mut command, PATIENCE).unwrap_or_else(|end| panic!("{end:?}"))
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_self_signed_certificate_is_served_and_trusted() {
    for (name, arguments, flags, hosts, others) in [
        (
            "cert-default",
            &[][..],
            &[
                "--tls-certificate",
                "polysock.pem",
                "--tls-key",
                "polysock.key",
            ][..],
            &["127.0.0.1", "localhost"][..],
            &[][..],
        ),
        (
            "cert-host",
            &[
                "--host",
                "localhost",
                "--host",
                "*.a.example",
                "--days",
                "1",
            ],
            &[
                "--tls-certificate",
                "polysock.pem",
                "--tls-key",
                "polysock.key",
            ],
            &["localhost"],
            &["127.0.0.1"],
        ),
        (
            "cert-one-file",
            &[
                "--host=[::1]",
                "--host=127.0.0.1",
                "--certificate=self.pem",
                "--key=self.pem",
            ],
            &["--tls-certificate", "self.pem"],
            &["127.0.0.1"],
            &["localhost"],
        ),
    ] {
        let directory = POLYSOCK.directory(name);
        let made = self_signed(&directory, arguments);
        assert_eq!(made.code, Some(0), "{}", made.stderr);
        let serves = format!("polysock serve {}\n", flags.join(" "));
        assert!(made.text().contains(&serves), "{}", made.text());
        let ca = flags[1];
        let trusts = format!("polysock connect --cacert {ca} wss://");
        assert!(made.text().contains(&trusts), "{}", made.text());
        let server = serve(&directory, flags);
        let connect = |host: &str, more: &[&str]| {
            let url = format!("wss://{host}:{}/", server.address.port());
            run(&directory, &[&["connect", &url], more].concat())
        };
        for host in hosts {
            let told = connect(host, &["--cacert", ca]);
            assert_eq!(told.text(), "hello\n", "{host}: {}", told.stderr);
            assert_eq!(told.code, Some(0), "{host}");
            // A client without the authority does not trust it.
            let told = connect(host, &[]);
            assert_eq!(told.code, Some(3), "{host}");
            assert!(told.stderr.contains("certificate"), "{}", told.stderr);
        }
        for host in others {
            let told = connect(host, &["--cacert", ca]);
            assert_eq!(told.code, Some(3), "{host}");
            let problem = format!("the server's certificate is not for {host}, but for");
            assert!(told.stderr.contains(&problem), "{}", told.stderr);
        }
    }
}

#[test]
fn the_key_is_private_and_no_file_is_replaced_by_default() {
    let directory = POLYSOCK.directory("cert-files");
    let (certificate, key) = (
        directory.join("polysock.pem"),
        directory.join("polysock.key"),
    );
    let made = self_signed(&directory, &[]);
    assert_eq!(made.code, Some(0), "{}", made.stderr);
    assert_eq!(mode(&key), 0o600);
    assert!(!fs::read_to_string(&certificate).unwrap().contains("KEY"));
    let read = || [&certificate, &key].map(|path| fs::read_to_string(path).unwrap());
    let first = read();

    let refused = self_signed(&directory, &[]);
    assert_eq!(refused.code, Some(1));
    let problem = "polysock.key already exists: choose another file, or replace it with --force";
    assert!(refused.stderr.contains(problem), "{}", refused.stderr);
    // An existing certificate alone is refused too.
    let refused = self_signed(&directory, &["--key", "other.key"]);
    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.contains("polysock.pem already exists"));
    assert!(!directory.join("other.key").exists());
    assert_eq!(read(), first);

    // A key file that is readable by all users gets strict permissions.
    fs::set_permissions(&key, fs::Permissions::from_mode(0o666)).unwrap();
    let replaced = self_signed(&directory, &["--force"]);
    assert_eq!(replaced.code, Some(0), "{}", replaced.stderr);
    assert_eq!(mode(&key), 0o600);
    assert!(read()[0] != first[0] && read()[1] != first[1]);

    let one = self_signed(&directory, &["--certificate=self.pem", "--key=self.pem"]);
    assert_eq!(one.code, Some(0), "{}", one.stderr);
    assert_eq!(mode(&directory.join("self.pem")), 0o600);
}

#[test]
fn invalid_arguments_are_reported() {
    let directory = POLYSOCK.directory("cert-wrong");
    for (arguments, code, problem) in [
        (
            &["--host", "a b"][..],
            2,
            "'a b' for '--host <NAME>': write a name as a.example",
        ),
        (
            &["--host", "a.example:443"],
            2,
            "or an IP address, without a port",
        ),
        (&["--host", "a.*.example"], 2, "write a name as a.example"),
        (&["--host", "bücher.example"], 2, "as xn--…"),
        (&["--days", "0"], 2, "0 is not in 1..=65535"),
        (
            &["--key", "none/polysock.key"],
            1,
            "none/polysock.key cannot be written: No such file",
        ),
        (
            &["--certificate", "none/polysock.pem"],
            1,
            "none/polysock.pem cannot be written: No such file",
        ),
        (&["--force", "--key", "."], 1, ". cannot be replaced: "),
        (
            &["--force", "--key", "./polysock.pem"],
            1,
            "polysock.pem already exists",
        ),
    ] {
        let run = self_signed(&directory, arguments);
        assert_eq!(run.code, Some(code), "{arguments:?}: {}", run.stderr);
        assert!(
            run.stderr.contains(problem),
            "{arguments:?}: {}",
            run.stderr
        );
        let left = fs::read_dir(&directory).unwrap().count();
        assert_eq!(left, 0, "{arguments:?}");
    }
}
