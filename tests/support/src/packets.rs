//! Packet captures, built by hand: TCP segments, the headers around them, and capture files.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

/// A side of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    /// The side that sent the SYN.
    Client,
    /// The side that answered it.
    Server,
}

/// The flags of a segment (RFC 9293 §3.1).
pub const SYN: u8 = 0x02;
/// See [`SYN`].
pub const FIN: u8 = 0x01;
/// See [`SYN`].
pub const RST: u8 = 0x04;
/// See [`SYN`].
pub const ACK: u8 = 0x10;

/// A TCP connection, built packet by packet.
#[derive(Clone, Debug)]
pub struct Connection {
    /// The address of the client.
    pub client: SocketAddr,
    /// The address of the server.
    pub server: SocketAddr,
    /// The next sequence number of each side.
    next: [u32; 2],
    /// IP packets.
    pub packets: Vec<Vec<u8>>,
}

impl Connection {
    /// Opens a connection with a handshake. The sides begin with these sequence numbers.
    pub fn open(client: &str, server: &str, first: [u32; 2]) -> Self {
        let mut connection = Self {
            client: client.parse().expect("an address"),
            server: server.parse().expect("an address"),
            next: first,
            packets: Vec::new(),
        };
        connection.segment(From::Client, SYN, b"");
        connection.segment(From::Server, SYN | ACK, b"");
        connection.segment(From::Client, ACK, b"");
        connection
    }

    /// Sends bytes from one side, in one segment.
    pub fn say(&mut self, from: From, bytes: &[u8]) {
        self.segment(from, ACK, bytes);
    }

    /// Sends bytes from one side, in segments of this size.
    pub fn say_in(&mut self, from: From, bytes: &[u8], size: usize) {
        for chunk in bytes.chunks(size) {
            self.say(from, chunk);
        }
    }

    /// Sends a segment with these flags and the next sequence number of its side.
    pub fn segment(&mut self, from: From, flags: u8, bytes: &[u8]) {
        let packet = self.packet(from, flags, 0, bytes);
        let [client, server] = &mut self.next;
        let next = if from == From::Client { client } else { server };
        let len = u32::try_from(bytes.len()).expect("a segment is small");
        *next = next
            .wrapping_add(len)
            .wrapping_add(u32::from(flags & SYN != 0))
            .wrapping_add(u32::from(flags & FIN != 0));
        self.packets.push(packet);
    }

    /// Builds a segment whose sequence number is `before` bytes below the next of its side. The
    /// connection does not change.
    pub fn packet(&self, from: From, flags: u8, before: u32, bytes: &[u8]) -> Vec<u8> {
        let [client, server] = self.next;
        let (source, destination, sequence, acknowledged) = match from {
            From::Client => (self.client, self.server, client, server),
            From::Server => (self.server, self.client, server, client),
        };
        let mut tcp = Vec::new();
        tcp.extend(source.port().to_be_bytes());
        tcp.extend(destination.port().to_be_bytes());
        tcp.extend(sequence.wrapping_sub(before).to_be_bytes());
        tcp.extend(if flags & ACK == 0 {
            [0; 4]
        } else {
            acknowledged.to_be_bytes()
        });
        tcp.extend([0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
        tcp.extend(bytes);
        ip(source, destination, 6, &tcp)
    }
}

/// Builds an IP packet.
pub fn ip(source: SocketAddr, destination: SocketAddr, kind: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = Vec::new();
    match (source, destination) {
        (SocketAddr::V4(source), SocketAddr::V4(destination)) => {
            packet.extend([0x45, 0]);
            packet.extend(
                u16::try_from(20 + payload.len())
                    .expect("short")
                    .to_be_bytes(),
            );
            packet.extend([0, 0, 0x40, 0, 64, kind, 0, 0]);
            packet.extend(source.ip().octets());
            packet.extend(destination.ip().octets());
        }
        _ => {
            let of = |address: SocketAddr| match address {
                SocketAddr::V6(address) => *address.ip(),
                SocketAddr::V4(_) => Ipv6Addr::LOCALHOST,
            };
            // A hop-by-hop header of eight bytes before the payload.
            packet.extend([0x60, 0, 0, 0]);
            packet.extend(
                u16::try_from(8 + payload.len())
                    .expect("short")
                    .to_be_bytes(),
            );
            packet.extend([0, 64]);
            packet.extend(of(source).octets());
            packet.extend(of(destination).octets());
            packet.extend([kind, 0, 1, 4, 0, 0, 0, 0]);
        }
    }
    packet.extend(payload);
    packet
}

/// The link type of a capture, which determines the header before an IP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// Ethernet.
    Ethernet,
    /// Ethernet with a tag (802.1Q).
    Vlan,
    /// Ethernet with two tags (802.1ad).
    QinQ,
    /// Loopback of BSD, in the byte order of the machine.
    Null,
    /// Loopback of OpenBSD, in network byte order.
    Loop,
    /// No header.
    Raw,
    /// Any device of Linux.
    Cooked,
    /// The same in version 2.
    Cooked2,
}

impl Link {
    /// All link types.
    pub const ALL: [Self; 8] = [
        Self::Ethernet,
        Self::Vlan,
        Self::QinQ,
        Self::Null,
        Self::Loop,
        Self::Raw,
        Self::Cooked,
        Self::Cooked2,
    ];

    fn number(self) -> u32 {
        match self {
            Self::Ethernet | Self::Vlan | Self::QinQ => 1,
            Self::Null => 0,
            Self::Loop => 108,
            Self::Raw => 101,
            Self::Cooked => 113,
            Self::Cooked2 => 276,
        }
    }

    /// Adds the header of the link type to a packet.
    pub fn wrap(self, packet: &[u8]) -> Vec<u8> {
        let is_v4 = packet.first().is_some_and(|first| first >> 4 == 4);
        let kind: &[u8] = if is_v4 { &[8, 0] } else { &[0x86, 0xdd] };
        let family: u8 = if is_v4 { 2 } else { 30 };
        let (cards, cooked) = ([2; 12], [0, 0, 3, 4, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0]);
        let head = match self {
            Self::Ethernet => [&cards[..], kind].concat(),
            Self::Vlan => [&cards[..], &[0x81, 0, 0, 7], kind].concat(),
            Self::QinQ => [&cards[..], &[0x88, 0xa8, 0, 7, 0x81, 0, 0, 8], kind].concat(),
            Self::Null => vec![family, 0, 0, 0],
            Self::Loop => vec![0, 0, 0, family],
            Self::Raw => Vec::new(),
            Self::Cooked => [&cooked[..], kind].concat(),
            Self::Cooked2 => [kind, &[0; 18]].concat(),
        };
        [&head[..], packet].concat()
    }
}

/// Builds a pcap file. Packets are a millisecond apart, and cut at the snapshot length.
pub fn pcap(link: Link, snaplen: usize, packets: &[Vec<u8>]) -> Vec<u8> {
    let mut file = vec![0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0];
    file.extend([0; 8]);
    file.extend(u32::try_from(snaplen).unwrap_or(u32::MAX).to_le_bytes());
    file.extend(link.number().to_le_bytes());
    for (index, packet) in (0_u32..).zip(packets) {
        let packet = link.wrap(packet);
        let kept = &packet[..packet.len().min(snaplen)];
        file.extend((1_600_000_000 + index / 1000).to_le_bytes());
        file.extend((index % 1000 * 1000).to_le_bytes());
        file.extend(u32::try_from(kept.len()).expect("short").to_le_bytes());
        file.extend(u32::try_from(packet.len()).expect("short").to_le_bytes());
        file.extend(kept);
    }
    file
}

/// The block that contains a packet in a pcapng file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PacketBlock {
    /// The Enhanced Packet Block.
    Enhanced,
    /// The Packet Block, its predecessor.
    Old,
}

/// Builds a big-endian pcapng file with timestamps in nanoseconds.
pub fn pcapng(link: Link, packets: &[Vec<u8>]) -> Vec<u8> {
    pcapng_of(link, packets, PacketBlock::Enhanced, 0)
}

/// The same with this kind of block, and with this interface number. The file has one interface, 0.
pub fn pcapng_of(link: Link, packets: &[Vec<u8>], holder: PacketBlock, interface: u16) -> Vec<u8> {
    let block = |kind: u32, body: &[u8]| {
        let len = u32::try_from(12 + body.len()).expect("short").to_be_bytes();
        [&kind.to_be_bytes()[..], &len, body, &len].concat()
    };
    let section = [&[0x1a, 0x2b, 0x3c, 0x4d, 0, 1, 0, 0][..], &[0xff; 8]].concat();
    let mut file = block(0x0a0d_0d0a, &section);
    let number = u16::try_from(link.number())
        .expect("a small number")
        .to_be_bytes();
    let options = [0, 9, 0, 1, 9, 0, 0, 0, 0, 0, 0, 0];
    file.extend(block(1, &[&number[..], &[0; 6], &options].concat()));
    for (index, packet) in (0_u64..).zip(packets) {
        let packet = link.wrap(packet);
        let time = 1_600_000_000_000_000_000 + index * 1_000_000;
        let len = u32::try_from(packet.len()).expect("short").to_be_bytes();
        let padding = &[0; 3][..(4 - packet.len() % 4) % 4];
        let (kind, interface) = match holder {
            PacketBlock::Enhanced => (6, u32::from(interface)),
            // The lower half counts dropped packets.
            PacketBlock::Old => (2, u32::from(interface) << 16 | 7),
        };
        let body = [
            &interface.to_be_bytes()[..],
            &time.to_be_bytes(),
            &len,
            &len,
            &packet,
            padding,
        ]
        .concat();
        file.extend(block(kind, &body));
    }
    file
}

/// Builds a UDP packet, as noise.
pub fn noise() -> Vec<u8> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 53));
    ip(address, address, 17, &[0, 53, 0, 53, 0, 8, 0, 0])
}
