//! Where a workload's clients go. A cut-over moves it; clients notice and follow.

use tokio::sync::watch;

use crate::postgres::Access;

/// A place that can change under its clients.
#[derive(Debug)]
pub struct Endpoint {
    place: watch::Sender<Place>,
}

/// A server as clients see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub host: String,
    pub port: u16,
    pub database: String,
}

impl Endpoint {
    pub fn new(access: &Access) -> Self {
        let place = watch::Sender::new(Place::of(access));
        Self { place }
    }

    /// Sends the clients to the same database of another server: they drop their connections at once, even in
    /// the middle of a transaction (whose outcome is then `info`).
    pub fn move_to(&self, access: &Access) {
        self.place.send_modify(|place| {
            let database = std::mem::take(&mut place.database);
            *place = Place::of(&access.within(&database));
        });
    }

    pub fn follow(&self) -> watch::Receiver<Place> {
        self.place.subscribe()
    }
}

impl Place {
    fn of(access: &Access) -> Self {
        Self {
            host: access.host.clone(),
            port: access.port,
            database: access.database.clone(),
        }
    }
}
