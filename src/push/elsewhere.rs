//! Requests to channels that other processes may have to answer.

use tokio::sync::oneshot;

use super::channels::Channels;
use super::outlet::{Input, Past};
use super::presence::Present;

impl Channels {
    /// Returns who is on a channel, on all nodes: clients of a web app and of broadcasters.
    pub async fn who(&self, name: &str) -> Present {
        let alone = |here: Present| Present {
            nodes: 1,
            is_whole: self.outlet().is_none(),
            ..here
        };
        let here = self.here(name);
        let Some(outlet) = self.outlet() else {
            return alone(here);
        };
        let (answer, answered) = oneshot::channel();
        outlet.tell(Input::Who {
            channel: name.into(),
            here: here.clone(),
            answer,
        });
        answered.await.unwrap_or_else(|_| alone(here))
    }

    /// Returns who is on a channel in this process.
    pub(super) fn here(&self, name: &str) -> Present {
        self.look(name, |channel| channel.present())
            .unwrap_or_default()
    }

    /// Returns the publications on a channel after an offset. `None` if there is no history or the
    /// broker cannot be asked.
    pub(crate) async fn past(&self, name: &str, after: u64) -> Option<Past> {
        let outlet = self.outlet()?;
        let (answer, answered) = oneshot::channel();
        outlet.tell(Input::Past {
            channel: name.into(),
            after,
            answer,
        });
        answered.await.ok()
    }

    /// Returns true if a node joins these channels to those of other processes.
    pub fn has_node(&self) -> bool {
        self.outlet().is_some()
    }

    /// Returns true if past publications can be requested.
    pub fn has_history(&self) -> bool {
        let outlet = self.outlet();
        outlet.is_some_and(|outlet| outlet.has_history)
    }
}
