//! The compression flags.

use clap::{Args, ValueEnum};
use polysock::upstream::UpstreamSettings;
use polysock::{Compression, SiteSettings, Window};

use super::values;

/// The flags of compression.
#[derive(Args, Debug)]
#[command(next_help_heading = "Compression")]
pub(crate) struct CompressionFlags {
    /// Compress messages for clients that offer permessage-deflate or x-webkit-deflate-frame
    #[arg(long, value_enum, value_name = "SWITCH", default_value_t = Switch::On)]
    pub(crate) compression: Switch,

    /// Offer compression to ws:// upstreams
    #[arg(long, value_enum, value_name = "SWITCH", default_value_t = Switch::Off)]
    pub(crate) upstream_compression: Switch,

    /// Compression level, from 1 (fastest) to 9 (smallest)
    #[arg(long, value_name = "LEVEL", default_value_t = Compression::default().level,
        value_parser = clap::value_parser!(u8).range(1..=9))]
    pub(crate) compression_level: u8,

    /// Size in bytes, or with KiB, below which messages are sent uncompressed
    #[arg(long, value_name = "SIZE", value_parser = values::size, default_value = "128")]
    pub(crate) compression_threshold: u64,

    /// Window size of compression in both directions, from 9 (512 bytes) to 15 (32 KiB). A
    /// connection whose peer compresses keeps a window of this size in memory
    #[arg(long, value_name = "BITS", default_value_t = Window::default().max_bits,
        value_parser = clap::value_parser!(u8).range(9..=15))]
    pub(crate) window_bits: u8,

    /// Keep the compression context between sent messages if the peer allows it: similar messages
    /// become much smaller, and each connection that compresses uses up to 380 KiB
    #[arg(long)]
    pub(crate) context_takeover: bool,
}

/// A switch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Switch {
    On,
    Off,
}

/// The compression settings for clients and upstreams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Compressing {
    /// True if compression is accepted from clients that offer it.
    pub(crate) clients: bool,
    /// True if compression is offered to upstreams.
    pub(crate) upstreams: bool,
    pub(crate) level: u8,
    pub(crate) threshold: u64,
    pub(crate) window_bits: u8,
    pub(crate) context_takeover: bool,
}

impl Default for Compressing {
    fn default() -> Self {
        let Compression {
            level,
            threshold,
            outgoing,
            ..
        } = Compression::default();
        Self {
            clients: SiteSettings::default().compression.is_some(),
            upstreams: UpstreamSettings::default().compression.is_some(),
            level,
            threshold: u64::try_from(threshold).unwrap_or(u64::MAX),
            window_bits: outgoing.max_bits,
            context_takeover: outgoing.context_takeover,
        }
    }
}

impl Compressing {
    /// The settings towards clients; `None` if compression is off.
    pub(crate) fn downstream(&self) -> Option<Compression> {
        self.clients.then(|| self.how())
    }

    /// The settings towards upstreams; `None` if compression is off.
    pub(crate) fn upstream(&self) -> Option<Compression> {
        self.upstreams.then(|| self.how())
    }

    fn how(&self) -> Compression {
        Compression {
            level: self.level,
            threshold: usize::try_from(self.threshold).unwrap_or(usize::MAX),
            outgoing: Window {
                max_bits: self.window_bits,
                context_takeover: self.context_takeover,
            },
            incoming: Window {
                max_bits: self.window_bits,
                ..Compression::default().incoming
            },
        }
    }
}
