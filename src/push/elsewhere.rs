//! What is asked of channels that other processes may have to answer.

use tokio::sync::oneshot;

use super::channels::Channels;
use super::outlet::{Input, Past};
use super::presence::Present;

impl Channels {
    /// Who is on a channel: clients of a web app and of broadcasters, on all nodes.
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

    /// Who is on a channel here.
    pub(super) fn here(&self, name: &str) -> Present {
        self.look(name, |channel| channel.present())
            .unwrap_or_default()
    }

    /// What was published on a channel behind this offset; `None` where nobody knows it.
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

    /// Whether they are joined to those of other processes.
    pub fn has_node(&self) -> bool {
        self.outlet().is_some()
    }

    /// Whether what is published can be asked for later.
    pub fn has_history(&self) -> bool {
        let outlet = self.outlet();
        outlet.is_some_and(|outlet| outlet.has_history)
    }
}
