//! A benchmark of looking up a session in a file, compared with only reading the file.
//!
//! `cargo bench -p polysock-web` prints microseconds for sessions of several sizes: for reading the
//! file on the same thread, for reading it on a blocking thread with `tokio::fs`, and for the
//! look-up, which reads on a blocking thread and parses the session.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a bench prints, and fails by panicking"
)]

use std::fs;
use std::hint::black_box;
use std::time::{Duration, Instant};

use hyper::Request;
use polysock::{Peer, Visitor};
use polysock_web::{Files, PhpSessions, Sessions};

/// The number of rounds, of which the fastest counts, and of repetitions in a round.
const ROUNDS: usize = 20;
const TIMES: u32 = 500;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let folder = std::env::temp_dir().join(format!("polysock-look-up-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let file = folder.join("sess_a");
    let sessions = PhpSessions::new(Files::new(folder.to_str().unwrap()).unwrap());
    let request = Request::get("/").header("cookie", "PHPSESSID=a");
    let request = request.body(()).unwrap();
    let peer = Peer::default();
    println!("bytes   read  tokio::fs::read  look-up  look-up / read  look-up / tokio::fs::read");
    for items in [1, 50, 500, 5000] {
        let mut data = "user_id|i:42;cart|a:0:{}".to_owned();
        for item in 0..items {
            data +=
                &format!("item{item}|a:2:{{s:4:\"name\";s:6:\"apples\";s:5:\"count\";i:{item};}}");
        }
        fs::write(&file, &data).unwrap();
        let (mut plain, mut tokio, mut look_up) = (Duration::MAX, Duration::MAX, Duration::MAX);
        for _ in 0..ROUNDS {
            let begun = Instant::now();
            for _ in 0..TIMES {
                black_box(fs::read(&file).unwrap());
            }
            plain = plain.min(begun.elapsed());
            let begun = Instant::now();
            for _ in 0..TIMES {
                black_box(tokio::fs::read(&file).await.unwrap());
            }
            tokio = tokio.min(begun.elapsed());
            let begun = Instant::now();
            for _ in 0..TIMES {
                let visitor = Visitor::of_request(black_box(&request), &peer);
                let key = sessions.key(visitor).unwrap();
                let values = sessions.read(&key).await.unwrap().unwrap();
                black_box(values.get("user_id"));
            }
            look_up = look_up.min(begun.elapsed());
        }
        let each = |time: Duration| time.as_secs_f64() * 1e6 / f64::from(TIMES);
        println!(
            "{:>6} {:>6.1} {:>16.1} {:>8.1} {:>15.1} {:>27.1}",
            data.len(),
            each(plain),
            each(tokio),
            each(look_up),
            each(look_up) / each(plain),
            each(look_up) / each(tokio)
        );
    }
    fs::remove_dir_all(&folder).unwrap();
}
