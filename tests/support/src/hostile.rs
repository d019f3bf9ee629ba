//! A client of HTTP/2 that sends arbitrary frames.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::mpsc;
use std::thread;

use crate::PATIENCE;
use crate::client::Client;
use crate::http2::preface;

/// The type of a frame (RFC 9113 §6).
pub const DATA: u8 = 0;
/// See [`DATA`].
pub const HEADERS: u8 = 1;
/// See [`DATA`].
pub const PRIORITY: u8 = 2;
/// See [`DATA`].
pub const RST_STREAM: u8 = 3;
/// See [`DATA`].
pub const SETTINGS: u8 = 4;
/// See [`DATA`].
pub const PING: u8 = 6;
/// See [`DATA`].
pub const GOAWAY: u8 = 7;
/// See [`DATA`].
pub const WINDOW_UPDATE: u8 = 8;
/// See [`DATA`].
pub const CONTINUATION: u8 = 9;

/// The flag of a complete field section.
pub const END_HEADERS: u8 = 4;
/// An error code (RFC 9113 §7).
pub const REFUSED_STREAM: u32 = 7;
/// See [`REFUSED_STREAM`].
pub const ENHANCE_YOUR_CALM: u32 = 11;

/// Returns odd numbers, which are the ids of streams that a client opens.
pub fn streams(count: u32) -> impl Iterator<Item = u32> {
    (0..count).map(|number| number * 2 + 1)
}

/// The type and the payload of a frame.
pub type Frame = (u8, Vec<u8>);

/// A client that sends arbitrary frames, and receives frames in a thread.
pub struct Hostile {
    client: Client,
    frames: mpsc::Receiver<Frame>,
}

impl Hostile {
    /// Sends the preface over a connection.
    pub fn over(mut client: Client) -> Self {
        client.send(preface());
        let copy = client.stream().try_clone().expect("a socket");
        let (sender, frames) = mpsc::channel();
        thread::spawn(move || read_frames(copy, &sender));
        Self { client, frames }
    }

    /// Sends bytes. Returns whether the server still accepted them.
    pub fn send(&mut self, bytes: &[u8]) -> bool {
        self.client.stream().write_all(bytes).is_ok()
    }

    /// Waits for the next frame; `None` at the end of the connection.
    pub fn next(&self) -> Option<Frame> {
        match self.frames.recv_timeout(PATIENCE) {
            Ok(frame) => Some(frame),
            Err(mpsc::RecvTimeoutError::Disconnected) => None,
            Err(mpsc::RecvTimeoutError::Timeout) => panic!("neither a frame nor the end"),
        }
    }

    /// Waits for this many frames of a type. Returns all received frames.
    #[track_caller]
    pub fn waits_for(&self, kind: u8, mut count: usize) -> Vec<Frame> {
        let mut frames = Vec::new();
        while count > 0 {
            let frame = self.frames.recv_timeout(PATIENCE);
            let frame = frame.unwrap_or_else(|_| panic!("{count} of kind {kind} are missing"));
            count -= usize::from(frame.0 == kind);
            frames.push(frame);
        }
        frames
    }

    /// Expects the server to end the connection with `ENHANCE_YOUR_CALM`.
    #[track_caller]
    pub fn is_calmed(&self) {
        let (_, goaway) = self.waits_for(GOAWAY, 1).pop().expect("there is one");
        assert_eq!(goaway[4..8], ENHANCE_YOUR_CALM.to_be_bytes());
        loop {
            match self.frames.recv_timeout(PATIENCE) {
                Ok(_) => {}
                Err(end) => return assert_eq!(end, mpsc::RecvTimeoutError::Disconnected),
            }
        }
    }
}

/// Reads frames until the end.
fn read_frames(mut stream: TcpStream, sender: &mpsc::Sender<Frame>) {
    let mut header = [0; 9];
    while stream.read_exact(&mut header).is_ok() {
        let len = u32::from_be_bytes([0, header[0], header[1], header[2]]);
        let mut payload = vec![0; usize::try_from(len).expect("24 bits")];
        if stream.read_exact(&mut payload).is_err() {
            return;
        }
        // The receiver may have been dropped.
        let _ = sender.send((header[3], payload));
    }
}
