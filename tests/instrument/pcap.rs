//! Packet captures: the conversations are recovered, whatever the network and the capture did to
//! the packets.

use polysock_instrument::pcap::{Capture, CaptureError, Conversation, Limits, Note, Peer};
use polysock_test_support::packets::{
    ACK, Connection, FIN, From, Link, PacketBlock, RST, SYN, ip, noise, pcap, pcapng, pcapng_of,
};
use proptest::prelude::*;

const CLIENT: &str = "127.0.0.1:50000";
const SERVER: &str = "127.0.0.1:8080";

/// A question and an answer twice, and the end, in segments of three bytes.
fn conversation(client: &str, server: &str, first: [u32; 2]) -> Connection {
    let mut connection = Connection::open(client, server, first);
    connection.say_in(From::Client, b"GET / question", 3);
    connection.say_in(From::Server, b"101 answer", 3);
    connection.say_in(From::Client, b"more?", 3);
    connection.say_in(From::Server, b"enough.", 3);
    connection.segment(From::Client, FIN | ACK, b"");
    connection.segment(From::Server, FIN | ACK, b"");
    connection.segment(From::Client, ACK, b"");
    connection
}

fn usual() -> Connection {
    conversation(CLIENT, SERVER, [1000, 9000])
}

fn read(file: &[u8]) -> Capture {
    Capture::read(file, &Limits::default()).unwrap()
}

fn only(file: &[u8]) -> Conversation {
    let mut capture = read(file);
    assert_eq!(capture.conversations.len(), 1, "{:?}", capture.skipped);
    capture.conversations.remove(0)
}

/// Returns the bytes of both sides in turns.
fn turns(conversation: &Conversation) -> Vec<(Peer, String)> {
    let mut turns: Vec<(Peer, String)> = Vec::new();
    for run in &conversation.runs {
        let text = String::from_utf8(run.bytes.to_vec()).unwrap();
        match turns.last_mut() {
            Some((peer, said)) if *peer == run.from => said.push_str(&text),
            _ => turns.push((run.from, text)),
        }
    }
    turns
}

fn expected() -> Vec<(Peer, String)> {
    [
        (Peer::Client, "GET / question"),
        (Peer::Server, "101 answer"),
        (Peer::Client, "more?"),
        (Peer::Server, "enough."),
    ]
    .map(|(peer, said)| (peer, said.to_owned()))
    .to_vec()
}

#[test]
fn reads_every_link_type_in_both_formats_and_both_families() {
    for (client, server) in [(CLIENT, SERVER), ("[::1]:50000", "[fe80::7]:8080")] {
        let connection = conversation(client, server, [1000, 9000]);
        for link in Link::ALL {
            for file in [
                pcap(link, usize::MAX, &connection.packets),
                pcapng(link, &connection.packets),
            ] {
                let found = only(&file);
                assert_eq!(turns(&found), expected(), "{link:?} {client}");
                assert_eq!(found.notes, [], "{link:?}");
                assert_eq!(
                    (found.client, found.server),
                    (connection.client, connection.server)
                );
                assert_eq!(found.began.as_secs(), 1_600_000_000);
                // The first bytes are in the fourth packet.
                assert_eq!(found.runs[0].at.as_millis(), 3, "{link:?}");
                let ended = found.ends[0];
                assert!(ended.by == Peer::Client && !ended.reset);
                assert_eq!(
                    ended.at.as_millis(),
                    u128::try_from(connection.packets.len()).unwrap() - 3
                );
            }
        }
    }
}

#[test]
fn each_segment_is_a_run_with_its_time() {
    let found = only(&pcap(Link::Ethernet, usize::MAX, &usual().packets));
    let runs: Vec<_> = found
        .runs
        .iter()
        .map(|run| (run.at.as_millis(), run.from, run.bytes.as_ref()))
        .collect();
    assert_eq!(runs[0], (3, Peer::Client, &b"GET"[..]));
    assert_eq!(runs[1], (4, Peer::Client, &b" / "[..]));
    assert_eq!(runs[5], (8, Peer::Server, &b"101"[..]));
}

#[test]
fn puts_reordered_and_repeated_packets_in_order() {
    let connection = usual();
    let packets = &connection.packets;
    let reversed: Vec<_> = packets.iter().rev().cloned().collect();
    let doubled: Vec<_> = packets
        .iter()
        .flat_map(|packet| [packet.clone(), packet.clone()])
        .collect();
    let again = [&packets[..], &packets[..]].concat();
    let mut overlapping = Connection::open(CLIENT, SERVER, [1000, 9000]);
    overlapping.say(From::Client, b"GET / ");
    overlapping
        .packets
        .push(overlapping.packet(From::Client, ACK, 4, b"T / ques"));
    overlapping
        .packets
        .push(overlapping.packet(From::Client, ACK, 6, b"GET / question"));
    overlapping.say(From::Client, b"question");
    overlapping.say(From::Server, b"101 answer");
    for (what, packets, expected) in [
        ("reversed", reversed, expected()),
        ("doubled", doubled, expected()),
        ("again", again, expected()),
        ("overlapping", overlapping.packets, expected()[..2].to_vec()),
    ] {
        let found = only(&pcap(Link::Cooked, usize::MAX, &packets));
        assert_eq!(turns(&found), expected, "{what}");
        let loss = found
            .notes
            .iter()
            .find(|note| note.is_loss() && **note != Note::Unfinished);
        assert_eq!(loss, None, "{what}");
        let changed = |note: &Note| matches!(note, Note::Repeated(1..) | Note::Reordered(1..));
        assert!(found.notes.iter().any(changed), "{what}: {:?}", found.notes);
    }
}

#[test]
fn sequence_numbers_wrap_around() {
    for first in [u32::MAX - 8, u32::MAX - 1, u32::MAX, 0] {
        let connection = conversation(CLIENT, SERVER, [first, first.wrapping_add(3)]);
        let mut packets = connection.packets;
        for packets in [packets.clone(), {
            packets.reverse();
            packets
        }] {
            let found = only(&pcap(Link::Raw, usize::MAX, &packets));
            assert_eq!(turns(&found), expected(), "{first}");
        }
    }
}

#[test]
fn reports_a_missing_packet_and_stops_before_it() {
    let packets = usual().packets;
    let without = |index: usize| {
        let mut left = packets.clone();
        left.remove(index);
        pcap(Link::Ethernet, usize::MAX, &left)
    };
    let up_to = |count: usize| pcap(Link::Ethernet, usize::MAX, &packets[..count]);
    let after = |count: usize| pcap(Link::Ethernet, usize::MAX, &packets[count..]);
    let whole = pcap(Link::Ethernet, usize::MAX, &packets);
    let lost = |from, after| Note::Lost { from, after };
    for (what, file, said, note) in [
        ("a question", without(4), "GET", lost(Peer::Client, 3)),
        ("the first bytes", without(3), "", lost(Peer::Client, 0)),
        // The client's next segment acknowledges the missing bytes of the answer.
        (
            "the end of the answer",
            without(11),
            "GET / question101 answe",
            lost(Peer::Server, 9),
        ),
        (
            "a packet cut short",
            pcap(Link::Ethernet, 56, &packets),
            "GE",
            Note::Cut {
                from: Peer::Client,
                after: 2,
            },
        ),
        (
            "headers alone",
            pcap(Link::Ethernet, 54, &packets),
            "",
            Note::Cut {
                from: Peer::Client,
                after: 0,
            },
        ),
        (
            "the second half",
            up_to(10),
            "GET / question101 an",
            Note::Unfinished,
        ),
        (
            "half a packet",
            whole[..whole.len() / 2].to_vec(),
            "GET / question101",
            Note::Unfinished,
        ),
        ("the first half", after(10), "swermore?enough.", Note::Begun),
    ] {
        let found = only(&file);
        let text: String = turns(&found).into_iter().map(|(_, said)| said).collect();
        assert_eq!(text, said, "{what}: {:?}", found.notes);
        assert!(found.notes.contains(&note), "{what}: {:?}", found.notes);
    }
    let damage = read(&whole[..whole.len() / 2]).damage.unwrap();
    assert!(
        damage.starts_with("the file ends within a packet, after packet 9"),
        "{damage}"
    );
}

#[test]
fn a_port_that_is_used_again_is_another_conversation() {
    let mut packets = usual().packets;
    let mut second = Connection::open(CLIENT, SERVER, [500, 700]);
    second.say(From::Client, b"again");
    second.segment(From::Server, RST | ACK, b"");
    packets.extend(second.packets);
    let capture = read(&pcap(Link::Ethernet, usize::MAX, &packets));
    let [first, second] = &capture.conversations[..] else {
        panic!("{:?}", capture.conversations.len());
    };
    assert_eq!(turns(first), expected());
    assert_eq!(turns(second), [(Peer::Client, "again".to_owned())]);
    let ended = second.ends[0];
    assert!(ended.reset && ended.by == Peer::Server);
}

#[test]
fn recognises_the_client_by_its_syn_or_by_sending_first() {
    // Here the client has the lower address and the lower port.
    let connection = conversation("10.0.0.1:80", "10.0.0.2:60000", [1, 2]);
    for skipped in [0, 1, 2, 3] {
        let found = only(&pcap(Link::Raw, usize::MAX, &connection.packets[skipped..]));
        assert_eq!(found.client, connection.client, "{skipped}");
        assert_eq!(turns(&found), expected(), "{skipped}");
        assert_eq!(found.notes.contains(&Note::Begun), skipped > 1, "{skipped}");
    }
}

#[test]
fn counts_what_it_skips_by_reason() {
    let mut packets = usual().packets;
    packets.insert(4, noise());
    let mut fragment = packets[5].clone();
    fragment[6] = 0x20;
    packets.insert(4, fragment);
    packets.insert(4, vec![0x45, 0, 0]);
    packets.insert(
        4,
        ip(
            CLIENT.parse().unwrap(),
            SERVER.parse().unwrap(),
            6,
            &[1, 2, 3],
        ),
    );
    let capture = read(&pcap(Link::Ethernet, usize::MAX, &packets));
    let skipped: Vec<_> = capture
        .skipped
        .iter()
        .map(|(why, count)| (why.as_str(), *count))
        .collect();
    assert_eq!(
        skipped,
        [
            ("fragment of an IP packet", 1),
            ("malformed packet", 2),
            ("not TCP", 1)
        ]
    );
    assert_eq!(turns(&capture.conversations[0]), expected());
    let mut unknown = pcap(Link::Raw, usize::MAX, &usual().packets);
    unknown[20] = 147;
    let skipped = read(&unknown).skipped;
    assert_eq!(
        skipped.keys().collect::<Vec<_>>(),
        ["unknown link type 147"]
    );
}

#[test]
fn reads_the_packet_blocks_of_old_pcapng_files() {
    let file = pcapng_of(Link::Ethernet, &usual().packets, PacketBlock::Old, 0);
    let capture = read(&file);
    assert_eq!(turns(&capture.conversations[0]), expected());
    assert_eq!(capture.skipped.len(), 0);
    // The other byte order.
    let packets = usual().packets;
    let mut file: Vec<u8> = Vec::new();
    let mut block = |kind: u32, body: &[u8]| {
        let len = u32::try_from(12 + body.len()).unwrap().to_le_bytes();
        file.extend([&kind.to_le_bytes()[..], &len, body, &len].concat());
    };
    let section = [&[0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 0, 0][..], &[0xff; 8]].concat();
    block(0x0a0d_0d0a, &section);
    block(1, &[101, 0, 0, 0, 0, 0, 0, 0]);
    for packet in &packets {
        let len = u32::try_from(packet.len()).unwrap().to_le_bytes();
        let padding = &[0; 3][..(4 - packet.len() % 4) % 4];
        block(2, &[&[0; 12][..], &len, &len, packet, padding].concat());
    }
    assert_eq!(turns(&only(&file)), expected());
}

#[test]
fn counts_packets_of_interfaces_that_are_not_described() {
    let packets = usual().packets;
    for block in [PacketBlock::Enhanced, PacketBlock::Old] {
        let capture = read(&pcapng_of(Link::Ethernet, &packets, block, 1));
        assert_eq!(capture.conversations.len(), 0);
        let skipped: Vec<_> = capture.skipped.into_iter().collect();
        let reason = "packet of an interface that the file does not describe".to_owned();
        assert_eq!(skipped, [(reason, packets.len() as u64)]);
    }
}

#[test]
fn reports_packets_that_were_cut_within_their_headers() {
    let packets = usual().packets;
    let capture = read(&pcap(Link::Ethernet, 40, &packets));
    assert_eq!(capture.conversations.len(), 0);
    let skipped: Vec<_> = capture.skipped.into_iter().collect();
    let reason = "packet that was cut within its headers (capture with tcpdump -s 0)".to_owned();
    assert_eq!(skipped, [(reason, packets.len() as u64)]);
}

#[test]
fn keeps_no_more_than_the_limits() {
    let mut connection = Connection::open(CLIENT, SERVER, [1, 1]);
    connection.say_in(From::Client, &[b'x'; 1000], 100);
    let mut packets = connection.packets;
    packets.extend(conversation("127.0.0.1:50001", SERVER, [1, 1]).packets);
    packets.extend(conversation("127.0.0.1:50002", SERVER, [1, 1]).packets);
    let file = pcap(Link::Raw, usize::MAX, &packets);
    let limits = Limits {
        conversation: 1000,
        total: 1 << 20,
        conversations: 2,
    };
    let capture = Capture::read(&file[..], &limits).unwrap();
    let said: Vec<_> = capture
        .conversations
        .iter()
        .map(|c| c.bytes_from(Peer::Client).len())
        .collect();
    // Each packet costs 100 bytes and its payload: the three packets of the handshake cost 300,
    // each segment 200.
    assert_eq!(said[0], 300);
    assert!(capture.conversations[0].notes.contains(&Note::Limit));
    assert_eq!(capture.conversations.len(), 2);
    assert_eq!(capture.skipped.len(), 1);
    let limits = Limits {
        total: 500,
        ..Limits::default()
    };
    let capture = Capture::read(&file[..], &limits).unwrap();
    assert!(
        capture
            .conversations
            .iter()
            .all(|found| found.notes.contains(&Note::Limit))
    );
}

#[test]
fn refuses_files_that_are_no_capture() {
    for (bytes, error) in [
        (&b""[..], "Empty"),
        (b"\xd4\xc3\xb2\xa1\x02", "Empty"),
        (b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n", "Unknown"),
    ] {
        let found = Capture::read(bytes, &Limits::default()).unwrap_err();
        assert_eq!(format!("{found:?}"), error, "{bytes:?}");
        assert!(matches!(found, CaptureError::Unknown | CaptureError::Empty));
    }
    for file in [pcap(Link::Raw, 9, &[]), pcapng(Link::Raw, &[])] {
        assert!(Capture::is_capture(&file));
        assert_eq!(read(&file).conversations.len(), 0);
    }
    assert!(!Capture::is_capture(b"GET /") && !Capture::is_capture(b""));
}

/// The packets of a connection, repeated and reordered in arbitrary ways.
fn mangled() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let packets = usual().packets;
    let count = packets.len();
    let picks = prop::collection::vec((0..count, 0..3_usize), 0..12);
    (picks, any::<bool>()).prop_map(move |(picks, is_shuffled)| {
        let mut packets = packets.clone();
        for (index, what) in picks {
            let other = (index * 7 + 3) % packets.len();
            match what {
                0 => packets.push(packets[index].clone()),
                1 => packets.swap(index, other),
                _ => packets.insert(other, packets[index].clone()),
            }
        }
        if is_shuffled {
            packets.sort();
        }
        packets
    })
}

proptest! {
    #[test]
    fn reordered_and_repeated_packets_yield_the_same_conversation(packets in mangled()) {
        let capture = read(&pcap(Link::Cooked2, usize::MAX, &packets));
        prop_assert_eq!(capture.conversations.len(), 1);
        prop_assert_eq!(turns(&capture.conversations[0]), expected());
    }

    #[test]
    fn a_damaged_capture_yields_the_beginning_of_each_direction(
        packets in mangled(),
        lost in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        snaplen in 40..100_usize,
        cut in any::<prop::sample::Index>(),
    ) {
        let mut packets = packets;
        for index in lost {
            packets.remove(index.index(packets.len()));
        }
        let file = pcap(Link::Ethernet, snaplen, &packets);
        let file = &file[..24 + cut.index(file.len() - 23)];
        let all: String = expected().into_iter().map(|(_, said)| said).collect();
        for found in read(file).conversations {
            let began = found.notes.contains(&Note::Begun);
            for (peer, whole) in [(Peer::Client, "GET / questionmore?"), (Peer::Server, "101 answerenough.")] {
                let said = String::from_utf8(found.bytes_from(peer)).unwrap();
                // If the beginning is missing, the client is a guess.
                let either = "GET / questionmore? 101 answerenough.";
                let is_right = if began { either.contains(&said) } else { whole.starts_with(&said) };
                prop_assert!(is_right, "{} of {}", said, whole);
            }
            let text: String = turns(&found).into_iter().map(|(_, said)| said).collect();
            prop_assert!(text.len() <= all.len());
        }
    }

    #[test]
    fn damage_never_panics(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..40),
        link in 0..Link::ALL.len(),
        is_ng in any::<bool>(),
        cut in any::<prop::sample::Index>(),
    ) {
        let packets = usual().packets;
        let link = Link::ALL[link];
        let mut file = if is_ng { pcapng(link, &packets) } else { pcap(link, usize::MAX, &packets) };
        for (index, value) in changes {
            let index = index.index(file.len());
            file[index] = value;
        }
        file.truncate(cut.index(file.len() + 1));
        if let Ok(capture) = Capture::read(&file[..], &Limits::default()) {
            let said: usize = capture.conversations.iter().flat_map(|c| &c.runs).map(|run| run.bytes.len()).sum();
            prop_assert!(said <= file.len());
        }
    }

    #[test]
    fn bytes_of_any_kind_never_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..400), magic in 0..5_usize) {
        let heads: [&[u8]; 5] = [b"\xd4\xc3\xb2\xa1", b"\xa1\xb2\xc3\xd4", b"\x0a\x0d\x0d\x0a\x1c\0\0\0\x4d\x3c\x2b\x1a\x01\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\x1c\0\0\0", b"\x4d\x3c\xb2\xa1", b""];
        let head = heads[magic];
        bytes.splice(0..0, head.iter().copied());
        let _ = Capture::read(&bytes[..], &Limits::default());
    }
}

#[test]
fn a_syn_that_is_not_captured_again_is_no_new_conversation() {
    let mut packets = usual().packets;
    packets.insert(5, packets[0].clone());
    packets.insert(7, packets[1].clone());
    assert_eq!(
        turns(&only(&pcap(Link::Raw, usize::MAX, &packets))),
        expected()
    );
    let mut connection = Connection::open(CLIENT, SERVER, [1000, 9000]);
    connection.segment(From::Client, SYN, b"");
    assert_eq!(
        read(&pcap(Link::Raw, usize::MAX, &connection.packets))
            .conversations
            .len(),
        2
    );
}
