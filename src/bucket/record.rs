//! What is written down of a bucket before anything is put there: no secret, and enough to find it
//! again.

use serde::{Deserialize, Serialize};

use super::{Bucket, BucketError, empty};

/// What lies below a prefix of a bucket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    pub bucket: Bucket,
    pub prefix: String,
}

impl Record {
    /// Deletes it, with the credentials that the environment has now; how many objects.
    ///
    /// # Errors
    /// When something is left, or could not be asked for.
    pub async fn empty(&self) -> Result<usize, BucketError> {
        empty(&self.bucket.access(&self.prefix)?).await
    }
}

impl std::fmt::Display for Record {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "objects below `{}/` in {}", self.prefix, self.bucket)
    }
}
