//! The choice of a target for a client.

use std::net::IpAddr;

use crate::http::cookies;
use crate::upstream::target::query;

/// The method by which clients are spread over targets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Balance {
    /// Each target in turn, by its weight.
    #[default]
    RoundRobin,
    /// The target that has the fewest connections for its weight.
    LeastConnections,
    /// The same target for the same value, as long as the target is available. Clients without a
    /// value are spread in turn. Removing a target moves its own clients only, and a new target
    /// gets some clients of each other target.
    Hash(HashOf),
}

/// The value that is hashed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HashOf {
    /// The first field of this name.
    Header(String),
    /// The cookie of this name.
    Cookie(String),
    /// The parameter of this name in the query.
    Query(String),
    /// The client's address, without its port.
    Address,
}

/// The hash by which clients are distinguished. Clients with the same key go to the same target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key(u64);

/// A target that may be chosen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate {
    /// The weight, above zero.
    pub(super) weight: f64,
    /// The number of open connections.
    pub(super) open: usize,
    /// The hash of the target's name.
    pub(super) hash: u64,
    /// The weight by which the target lags behind the others in the round-robin.
    pub(super) credit: f64,
}

impl Balance {
    /// Returns the key of a client with this request target and address. `values` returns the
    /// values of a field of the request, by its name. `None` if nothing is hashed, or the client
    /// has no such value.
    pub fn key<'a>(
        &'a self,
        target: &'a str,
        address: Option<IpAddr>,
        values: impl FnOnce(&'a str) -> Vec<&'a [u8]>,
    ) -> Option<Key> {
        let Self::Hash(of) = self else { return None };
        let hash = match of {
            HashOf::Header(name) => hash(values(name).first()?),
            HashOf::Cookie(name) => hash(cookies(values("cookie"), name.as_bytes()).next()?),
            HashOf::Query(name) => hash(&query(target, name)?),
            HashOf::Address => match address?.to_canonical() {
                IpAddr::V4(address) => hash(&address.octets()),
                IpAddr::V6(address) => hash(&address.octets()),
            },
        };
        Some(Key(hash))
    }

    /// Returns the index of the chosen candidate; `None` if there are none.
    pub(super) fn choose(&self, key: Option<Key>, candidates: &[Candidate]) -> Option<usize> {
        // The lowest cost is chosen, and the highest credit among equal costs.
        let cost = |candidate: &Candidate| match (self, key) {
            (Self::Hash(_), Some(key)) => distance(key, candidate),
            #[expect(clippy::cast_precision_loss, reason = "nobody has 2^52 connections")]
            (Self::LeastConnections, _) => (candidate.open + 1) as f64 / candidate.weight,
            (Self::Hash(_) | Self::RoundRobin, _) => 0.0,
        };
        let costs = candidates.iter().map(cost).enumerate();
        let rank = |index: usize| candidates.get(index).map_or(0.0, |one| -one.credit);
        costs
            .min_by(|(one, a), (other, b)| a.total_cmp(b).then(rank(*one).total_cmp(&rank(*other))))
            .map(|(index, _)| index)
    }
}

/// Returns the distance of a target from a client (weighted rendezvous hashing). The distance does
/// not depend on the other targets, so that no target moves the clients of another.
fn distance(key: Key, candidate: &Candidate) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "53 bits are enough")]
    let part = (mix(key.0 ^ candidate.hash) >> 11) as f64 / (1u64 << 53) as f64;
    -part.max(f64::MIN_POSITIVE).ln() / candidate.weight
}

/// Hashes bytes (FNV-1a). The hash is the same on every machine and in every version, so that
/// clients keep their target.
pub(super) fn hash(bytes: &[u8]) -> u64 {
    let fold = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    mix(bytes.iter().fold(0xcbf2_9ce4_8422_2325, fold))
}

/// Makes each bit of the result depend on every bit (the finalizer of SplitMix64).
fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidates(weights: &[f64]) -> Vec<Candidate> {
        let numbered = weights.iter().enumerate();
        let candidate = |(number, weight): (usize, &f64)| Candidate {
            weight: *weight,
            open: 0,
            hash: hash(format!("tcp://10.0.0.{number}:80").as_bytes()),
            credit: 0.0,
        };
        numbered.map(candidate).collect()
    }

    fn keys() -> impl Iterator<Item = Key> {
        (0..10_000).map(|number: u32| Key(hash(&number.to_be_bytes())))
    }

    #[test]
    fn removing_a_target_moves_only_its_own_clients() {
        let balance = Balance::Hash(HashOf::Address);
        let all = candidates(&[1.0; 5]);
        let mut rest = all.clone();
        rest.remove(2);
        let mut moved = 0;
        for key in keys() {
            let before = balance.choose(Some(key), &all).unwrap();
            let after = balance.choose(Some(key), &rest).unwrap();
            let after = if after >= 2 { after + 1 } else { after };
            if before == 2 {
                moved += 1;
            } else {
                assert_eq!(before, after);
            }
        }
        assert!((1800..2200).contains(&moved), "{moved} of 10000");
    }

    #[test]
    fn hashed_clients_are_spread_by_weight() {
        let balance = Balance::Hash(HashOf::Address);
        let all = candidates(&[1.0, 2.0, 1.0]);
        let chosen: Vec<_> = keys().map(|key| balance.choose(Some(key), &all)).collect();
        for (index, expected) in [2500, 5000, 2500].into_iter().enumerate() {
            let of_this = chosen.iter().filter(|chosen| **chosen == Some(index));
            let count = of_this.count();
            assert!((expected - 250..expected + 250).contains(&count), "{count}");
        }
    }

    #[test]
    fn the_fewest_connections_count_by_weight() {
        for (open, expected) in [([1, 2, 5], 2), ([1, 2, 8], 0), ([3, 2, 15], 1)] {
            let mut all = candidates(&[1.0, 1.0, 4.0]);
            for (candidate, open) in all.iter_mut().zip(open) {
                candidate.open = open;
            }
            let chosen = Balance::LeastConnections.choose(None, &all);
            assert_eq!(chosen, Some(expected), "{open:?}");
        }
        assert_eq!(Balance::LeastConnections.choose(None, &[]), None);
    }

    #[test]
    fn clients_are_hashed_by_the_configured_value() {
        let of = |of: HashOf, target: &str, fields: &[(&str, &str)], address: Option<&str>| {
            let balance = Balance::Hash(of);
            let values = |name: &str| -> Vec<&[u8]> {
                let named = fields.iter().filter(|(other, _)| *other == name);
                named.map(|(_, value)| value.as_bytes()).collect()
            };
            let address = address.map(|address| address.parse().unwrap());
            balance.key(target, address, values)
        };
        let key = |text: &[u8]| Some(Key(hash(text)));
        let header = || HashOf::Header("x-room".into());
        assert_eq!(of(header(), "/", &[("x-room", "7")], None), key(b"7"));
        assert_eq!(of(header(), "/", &[], None), None);
        let session = || HashOf::Cookie("sid".into());
        for (cookies, expected) in [
            (&["sid=7"][..], key(b"7")),
            (&["a=b; sid=7; c=d"], key(b"7")),
            (&["a=b", "xsid=1;sid=7"], key(b"7")),
            (&["sid"], None),
        ] {
            let fields: Vec<_> = cookies.iter().map(|cookie| ("cookie", *cookie)).collect();
            assert_eq!(of(session(), "/", &fields, None), expected, "{cookies:?}");
        }
        for (target, expected) in [
            ("/a?room=7", key(b"7")),
            ("/a?x=1&room=%37&room=8", key(b"7")),
            ("/a?rooms=7", None),
            ("/room=7", None),
        ] {
            let room = HashOf::Query("room".into());
            assert_eq!(of(room, target, &[], None), expected, "{target}");
        }
        let v4 = of(HashOf::Address, "/", &[], Some("192.0.2.7"));
        assert_eq!(v4, of(HashOf::Address, "/", &[], Some("::ffff:192.0.2.7")));
        assert_ne!(v4, of(HashOf::Address, "/", &[], Some("192.0.2.8")));
        assert_eq!(of(HashOf::Address, "/", &[], None), None);
    }
}
