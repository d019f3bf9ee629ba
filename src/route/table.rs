//! Which site a request is for.

use std::sync::{Arc, PoisonError, RwLock};

use super::Site;
use crate::transport::Peer;

/// The sites of a port. To replace them changes nothing for connections that are open: each keeps
/// the site that it was accepted by.
#[derive(Debug)]
pub struct Sites {
    every: RwLock<Arc<Site>>,
}

/// What a site is chosen by, as soon as the head of a request is there.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The host that is asked for, as it came.
    pub host: Option<&'a [u8]>,
    /// The target: a path and a query.
    pub target: &'a [u8],
    /// Who asks.
    pub peer: &'a Peer,
}

impl Sites {
    /// One site for whatever is asked.
    pub fn single(site: Site) -> Self {
        Self {
            every: RwLock::new(Arc::new(site)),
        }
    }

    /// The site for a request.
    pub fn find(&self, _: Asked<'_>) -> Arc<Site> {
        let site = self.every.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&site)
    }

    /// Has new requests served by another site.
    pub fn replace(&self, site: Site) {
        let mut every = self.every.write().unwrap_or_else(PoisonError::into_inner);
        *every = Arc::new(site);
    }
}
