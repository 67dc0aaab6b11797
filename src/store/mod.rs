//! Stores: where backups and WAL lie. One file a kind, and one line in the list below.
//!
//! What a store can be told, and what it says that it holds, is here; which backups go where says
//! the strategy, and what they are their tools (`backup/`).

mod bucket;
mod cluster;
mod directory;
mod files;
mod program;
mod s3;

use std::{collections::BTreeMap, path::Path, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::{
    cluster::{ClusterStores, Endpoint, Mirrors, Place},
    files::{Damage, Damaged, Damaging, Held, Stored, Which},
};
pub use crate::runtime::LOCAL;
use crate::{
    bucket::{Bucket, BucketError},
    object_store::{Answer, Conduct, Tally},
    runtime::RuntimeError,
    units::Bytes,
};

pub fn local() -> String {
    LOCAL.into()
}

/// The stores of a drill that states no further ones.
pub fn only_local() -> BTreeMap<String, Store> {
    BTreeMap::from([(local(), Store::default())])
}

/// What a backup or a WAL file is called where several stores are told of: `main-1@offsite`, and
/// in the local store by its name alone.
pub fn named_at(store: &str, name: &str) -> String {
    match store {
        "" | LOCAL => name.to_owned(),
        _ => format!("{name}@{store}"),
    }
}

/// The name and the store of [`named_at`].
pub fn name_and_store(text: &str) -> (&str, &str) {
    text.split_once('@').unwrap_or((text, LOCAL))
}

/// The placeholder of a store's directory (`store`) or its WAL archive (`archive`).
pub fn placeholder(what: &str, store: &str) -> String {
    match store {
        LOCAL => format!("{{{what}}}"),
        _ => format!("{{{what}.{store}}}"),
    }
}

/// A strategy's store of this name.
pub fn named(stores: &BTreeMap<String, Store>, name: &str) -> Store {
    stores.get(name).cloned().unwrap_or_default()
}

/// What every store can be told, verb by verb as [`Store`] says.
trait Client {
    async fn held(
        &self,
        place: Place<'_>,
        below: &[String],
        hashed: u64,
    ) -> Result<Vec<Stored>, RuntimeError>;
    async fn put(
        &self,
        place: Place<'_>,
        _from: &Path,
        _paths: &[String],
        _within: Duration,
    ) -> Result<(), RuntimeError> {
        Err(place.unable("take over a directory"))
    }
    fn wrong(&self) -> Option<(&'static str, BucketError)> {
        None
    }
    fn objects(&self) -> Option<&'static str> {
        None
    }
    fn external(&self) -> Option<&Bucket> {
        None
    }
    async fn serve(
        &self,
        place: Place<'_>,
        _port: u16,
        _prefix: &str,
    ) -> Result<Endpoint, RuntimeError> {
        Err(place.unable("be served"))
    }
    async fn refresh(&self, _place: Place<'_>) -> Result<(), RuntimeError> {
        Ok(())
    }
    async fn behave(&self, place: Place<'_>, _conduct: &Conduct) -> Result<Answer, RuntimeError> {
        Err(place.unable("misbehave"))
    }
    async fn tally(&self, place: Place<'_>) -> Result<Tally, RuntimeError> {
        Err(place.unable("count"))
    }
    async fn lose(&self, place: Place<'_>) -> Result<(), RuntimeError>;
    async fn close(&self, place: Place<'_>) -> Result<(), RuntimeError>;
    async fn open(&self, place: Place<'_>) -> Result<(), RuntimeError>;
    async fn damage(
        &self,
        place: Place<'_>,
        damaging: Damaging<'_>,
    ) -> Result<Vec<Damaged>, RuntimeError>;
    fn size(&self) -> Bytes {
        Bytes(0)
    }
    async fn fill(&self, place: Place<'_>) -> Result<(), RuntimeError> {
        Err(place.unable("be filled up"))
    }
    async fn relieve(&self, place: Place<'_>) -> Result<(), RuntimeError> {
        Err(place.unable("be relieved"))
    }
}

/// The kinds, as one enum with the verbs of [`Client`].
macro_rules! stores {
    ($($(#[doc = $doc:literal])+ $variant:ident($file:ident)),+ $(,)?) => {
        /// A store beside the local one.
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "kebab-case")]
        pub enum Store {
            $($(#[doc = $doc])+ $variant($file::$variant)),+
        }

        impl Store {
            /// The files below these paths, sorted; hashed where they are no more than `hashed`
            /// bytes together.
            ///
            /// # Errors
            /// When it can't be reached.
            pub async fn held(
                &self,
                place: Place<'_>,
                below: &[String],
                hashed: u64,
            ) -> Result<Vec<Stored>, RuntimeError> {
                match self { $(Self::$variant(store) => store.held(place, below, hashed).await),+ }
            }

            /// Takes over these paths of a directory of the node, and holds what arrived against it.
            ///
            /// # Errors
            /// When it can't be reached, or another content arrived.
            pub async fn put(
                &self,
                place: Place<'_>,
                from: &Path,
                paths: &[String],
                within: Duration,
            ) -> Result<(), RuntimeError> {
                match self { $(Self::$variant(store) => store.put(place, from, paths, within).await),+ }
            }

            /// Its word in a strategy.
            pub fn word(&self) -> &'static str {
                match self { $(Self::$variant(_) => stringify!($file)),+ }
            }

            /// What is wrong with how it is stated: the option, and why.
            pub fn wrong(&self) -> Option<(&'static str, BucketError)> {
                match self { $(Self::$variant(store) => Client::wrong(store)),+ }
            }

            /// The directory of its objects, beside which there is what serves them; none: it is a
            /// directory, and nothing is between it and its clients.
            pub fn objects(&self) -> Option<&'static str> {
                match self { $(Self::$variant(store) => store.objects()),+ }
            }

            /// Somebody's bucket, which was there before: what the drill put there can be deleted,
            /// and no fault of its service be injected.
            pub fn external(&self) -> Option<&Bucket> {
                match self { $(Self::$variant(store) => store.external()),+ }
            }

            /// Whether it is object storage, which is reached by way of an endpoint alone.
            pub fn is_object_storage(&self) -> bool {
                self.objects().is_some()
            }

            /// Has its clients reach it: by S3 at this port of the node which keeps it, or below
            /// this prefix of somebody's bucket.
            ///
            /// # Errors
            /// When it can't be started.
            pub async fn serve(
                &self,
                place: Place<'_>,
                port: u16,
                prefix: &str,
            ) -> Result<Endpoint, RuntimeError> {
                match self { $(Self::$variant(store) => store.serve(place, port, prefix).await),+ }
            }

            /// Has the directory of its objects hold what somebody's bucket does.
            ///
            /// # Errors
            /// When it can't be reached.
            pub async fn refresh(&self, place: Place<'_>) -> Result<(), RuntimeError> {
                match self { $(Self::$variant(store) => store.refresh(place).await),+ }
            }

            /// Has one that speaks S3 behave like this from now on, and asks it something then.
            ///
            /// # Errors
            /// When it can't be told, or does not say that it does.
            pub async fn behave(
                &self,
                place: Place<'_>,
                conduct: &Conduct,
            ) -> Result<Answer, RuntimeError> {
                match self { $(Self::$variant(store) => store.behave(place, conduct).await),+ }
            }

            /// What was asked of one that speaks S3.
            ///
            /// # Errors
            /// When it can't be reached.
            pub async fn tally(&self, place: Place<'_>) -> Result<Tally, RuntimeError> {
                match self { $(Self::$variant(store) => store.tally(place).await),+ }
            }

            /// Everything in it is gone, and an empty one stands in its place.
            ///
            /// # Errors
            /// When it can't be reached.
            pub async fn lose(&self, place: Place<'_>) -> Result<(), RuntimeError> {
                match self { $(Self::$variant(store) => store.lose(place).await),+ }
            }

            /// Nobody reads or writes it any more.
            ///
            /// # Errors
            /// When it can't be reached.
            pub async fn close(&self, place: Place<'_>) -> Result<(), RuntimeError> {
                match self { $(Self::$variant(store) => store.close(place).await),+ }
            }

            /// As before it was closed.
            ///
            /// # Errors
            /// When it can't be reached.
            pub async fn open(&self, place: Place<'_>) -> Result<(), RuntimeError> {
                match self { $(Self::$variant(store) => store.open(place).await),+ }
            }

            /// Damages files; returns their paths.
            ///
            /// # Errors
            /// When it can't be reached.
            pub async fn damage(
                &self,
                place: Place<'_>,
                damaging: Damaging<'_>,
            ) -> Result<Vec<Damaged>, RuntimeError> {
                match self { $(Self::$variant(store) => store.damage(place, damaging).await),+ }
            }

            /// How much it holds; 0: nobody knows, and it can't be filled up.
            pub fn size(&self) -> Bytes {
                match self { $(Self::$variant(store) => store.size()),+ }
            }

            /// It holds no byte more.
            ///
            /// # Errors
            /// When it can't be reached.
            pub async fn fill(&self, place: Place<'_>) -> Result<(), RuntimeError> {
                match self { $(Self::$variant(store) => store.fill(place).await),+ }
            }

            /// As before it was filled up.
            ///
            /// # Errors
            /// When it can't be reached.
            pub async fn relieve(&self, place: Place<'_>) -> Result<(), RuntimeError> {
                match self { $(Self::$variant(store) => store.relieve(place).await),+ }
            }
        }
    };
}

stores! {
    /// A directory of this machine (`local`), a volume of its own (`docker`), which every server of
    /// the drill sees.
    Directory(directory),
    /// Objects, by S3 over TLS.
    S3(s3),
    /// A bucket that is there already (R2, OSS, MinIO, S3), below a prefix of the drill's own, which
    /// is emptied when it ends.
    Bucket(bucket),
}

impl Default for Store {
    fn default() -> Self {
        Self::Directory(directory::Directory::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_its_store() {
        assert_eq!(named_at(LOCAL, "main-1"), "main-1");
        assert_eq!(named_at("offsite", "main-1"), "main-1@offsite");
        assert_eq!(name_and_store("main-1@offsite"), ("main-1", "offsite"));
        assert_eq!(name_and_store("main-1"), ("main-1", LOCAL));
        assert_eq!(placeholder("archive", "offsite"), "{archive.offsite}");
    }
}
