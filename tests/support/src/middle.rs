//! A relay between a client and a server that records all bytes.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// The direction of bytes.
#[derive(Clone, Copy, Debug)]
pub enum Way {
    /// To the server.
    Up,
    /// To the client.
    Down,
}

/// A recorded connection.
pub struct Middle {
    /// The address on which the relay listens.
    pub address: SocketAddr,
    record: Record,
}

/// The bytes to the server, and those to the client.
type Record = Arc<Mutex<[Vec<u8>; 2]>>;

impl Middle {
    /// Accepts one connection for the server. In the head of its request, each of these words is
    /// replaced by `withheld`.
    pub fn before(server: SocketAddr, withheld: &'static [&'static str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let record = Record::default();
        let recorded = Arc::clone(&record);
        // Both directions end with the process at the latest.
        thread::spawn(move || relay(&listener, server, withheld, &recorded));
        Self { address, record }
    }

    /// Returns the value of `Sec-WebSocket-Extensions` in the answer.
    pub fn answer(&self) -> Option<String> {
        let record = self.record.lock().expect("nobody has panicked");
        let head = String::from_utf8_lossy(&record[Way::Down as usize]).into_owned();
        let (head, _) = head.split_once("\r\n\r\n")?;
        let (_, value) = head.split_once("Sec-WebSocket-Extensions: ")?;
        Some(value.lines().next()?.to_owned())
    }

    /// Returns the first byte of each frame, and the length of all frames together.
    pub fn frames(&self, way: Way) -> (Vec<u8>, usize) {
        let record = self.record.lock().expect("nobody has panicked");
        let bytes = &record[way as usize];
        let head = bytes.windows(4).position(|four| four == b"\r\n\r\n");
        let frames = head.map_or(&[][..], |at| &bytes[at + 4..]);
        let (mut firsts, mut rest) = (Vec::new(), frames);
        while let [first, second, after @ ..] = rest {
            firsts.push(*first);
            let mask = if second & 0x80 == 0 { 0 } else { 4 };
            let number = |bytes: &[u8]| {
                let append = |number: usize, byte: &u8| number << 8 | usize::from(*byte);
                bytes.iter().fold(0, append)
            };
            let len = match second & 0x7f {
                126 => 2 + number(&after[..2]),
                127 => 8 + number(&after[..8]),
                len => usize::from(len),
            };
            rest = after.get(mask + len..).unwrap_or_default();
        }
        (firsts, frames.len())
    }
}

fn relay(listener: &TcpListener, server: SocketAddr, withheld: &[&str], record: &Record) {
    let relayed = || -> io::Result<()> {
        let (client, _) = listener.accept()?;
        let server = TcpStream::connect(server)?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            (&client).read_exact(&mut byte)?;
            head.extend(byte);
        }
        let mut head = String::from_utf8_lossy(&head).into_owned();
        for word in withheld {
            head = head.replace(word, "withheld");
        }
        record.lock().expect("nobody has panicked")[Way::Up as usize].extend(head.as_bytes());
        (&server).write_all(head.as_bytes())?;
        let (from, to) = (client.try_clone()?, server.try_clone()?);
        let recorded = Arc::clone(record);
        thread::spawn(move || carry(&from, &to, &recorded, Way::Up));
        carry(&server, &client, record, Way::Down)
    };
    // The two ends notice an error themselves.
    let _ = relayed();
}

fn carry(mut from: &TcpStream, mut to: &TcpStream, record: &Record, way: Way) -> io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let count = from.read(&mut buffer)?;
        if count == 0 {
            return to.shutdown(Shutdown::Write);
        }
        let bytes = &buffer[..count];
        record.lock().expect("nobody has panicked")[way as usize].extend(bytes);
        to.write_all(bytes)?;
    }
}
