//! The invariants at the end of the simulation.

use super::{CHANNELS, NODES, World, here};

impl World {
    /// Checks that each node received the publications of every other surviving node in order and
    /// once, and counted the missing ones.
    pub(super) fn check(&mut self) -> Result<(), String> {
        for node in 0..NODES {
            let member = &self.nodes[node];
            let mut missing = 0;
            for ((channel, from), numbers) in &member.given {
                if !numbers.is_sorted_by(|one, next| one < next) {
                    let numbers = numbers.windows(2).find(|two| two[0] >= two[1]);
                    return Err(format!("{numbers:?} of {from:?} on {channel}"));
                }
                let first = numbers.first().copied().unwrap_or(0);
                let last = numbers.last().copied().unwrap_or(0);
                missing += last + 1 - first - numbers.len() as u64;
            }
            if missing != member.lost {
                return Err(format!(
                    "{missing} are missing, and {} counted",
                    member.lost
                ));
            }
            for other in self.nodes.iter().filter(|other| other.id != member.id) {
                for (channel, last) in &other.published {
                    let given = member.given.get(&((*channel).into(), other.id));
                    if given.and_then(|given| given.last()) != Some(last) {
                        return Err(format!("{last} of {channel} is not there at the end"));
                    }
                }
            }
        }
        Ok(())
    }

    /// Checks that each node knows who is on a channel.
    pub(super) fn check_presence(&mut self) {
        for node in 0..NODES {
            let (now, here) = (self.now(), here(self.nodes[node].id));
            self.nodes[node].engine.who(1, CHANNELS[0], here, now);
            self.act(node);
            (0..100).for_each(|_| self.advance());
            let present = self.nodes[node].present.take().unwrap();
            assert_eq!(
                (present.count, present.nodes, present.is_whole),
                (NODES as u64, NODES, true)
            );
        }
    }
}
