//! S3 by files: what `s3s-fs` does, but for what clients rely on and it answers otherwise, and for
//! listings that are out of date.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use s3s::{S3, S3Request, S3Response, S3Result, dto, s3_error};
use s3s_fs::FileSystem;
use tokio::sync::watch;

use super::{ObjectStoreError, conduct::Conduct};

/// The buckets below a directory.
pub struct Objects {
    root: PathBuf,
    files: FileSystem,
    /// What there was, for listings that are out of date.
    kept: FileSystem,
    conduct: watch::Receiver<Conduct>,
}

/// No two that write into one directory: they would take each other's temporary files away.
///
/// # Errors
/// When it can't be opened.
pub fn files(root: &Path) -> Result<FileSystem, ObjectStoreError> {
    let files = FileSystem::new(root).map_err(|cause| format!("{cause:?}"));
    files.map_err(ObjectStoreError::new("open its directory"))
}

impl Objects {
    /// # Errors
    /// When one of the directories can't be opened.
    pub fn new(
        root: &Path,
        kept: &Path,
        conduct: watch::Receiver<Conduct>,
    ) -> Result<Self, ObjectStoreError> {
        Ok(Self {
            root: root.to_owned(),
            files: files(root)?,
            kept: files(kept)?,
            conduct,
        })
    }

    fn listed(&self) -> &FileSystem {
        match self.conduct.borrow().stale_listings {
            true => &self.kept,
            false => &self.files,
        }
    }

    /// Files lie in directories: whoever asks for one as for an object is told that there is none.
    fn not_a_prefix(&self, bucket: &str, key: &str) -> S3Result<()> {
        let path = self.root.join(bucket).join(key.trim_start_matches('/'));
        match !key.ends_with('/') && path.is_dir() {
            true => Err(s3_error!(NoSuchKey)),
            false => Ok(()),
        }
    }
}

/// An empty delimiter is none: S3 API reference, "ListObjectsV2".
fn delimiter(said: Option<String>) -> Option<String> {
    said.filter(|delimiter| !delimiter.is_empty())
}

macro_rules! objects {
    ($($operation:ident: $Input:ident -> $Output:ident,)+) => {
        #[async_trait]
        impl S3 for Objects {
            $(
                async fn $operation(
                    &self,
                    request: S3Request<dto::$Input>,
                ) -> S3Result<S3Response<dto::$Output>> {
                    self.files.$operation(request).await
                }
            )+

            async fn get_object(
                &self,
                request: S3Request<dto::GetObjectInput>,
            ) -> S3Result<S3Response<dto::GetObjectOutput>> {
                self.not_a_prefix(&request.input.bucket, &request.input.key)?;
                self.files.get_object(request).await
            }

            async fn head_object(
                &self,
                request: S3Request<dto::HeadObjectInput>,
            ) -> S3Result<S3Response<dto::HeadObjectOutput>> {
                self.not_a_prefix(&request.input.bucket, &request.input.key)?;
                self.files.head_object(request).await
            }

            async fn list_objects(
                &self,
                request: S3Request<dto::ListObjectsInput>,
            ) -> S3Result<S3Response<dto::ListObjectsOutput>> {
                let asked = request.map_input(|input| dto::ListObjectsInput {
                    delimiter: delimiter(input.delimiter),
                    ..input
                });
                self.listed().list_objects(asked).await
            }

            async fn list_objects_v2(
                &self,
                request: S3Request<dto::ListObjectsV2Input>,
            ) -> S3Result<S3Response<dto::ListObjectsV2Output>> {
                let asked = request.map_input(|input| dto::ListObjectsV2Input {
                    delimiter: delimiter(input.delimiter),
                    ..input
                });
                self.listed().list_objects_v2(asked).await
            }
        }
    };
}

objects! {
    abort_multipart_upload: AbortMultipartUploadInput -> AbortMultipartUploadOutput,
    complete_multipart_upload: CompleteMultipartUploadInput -> CompleteMultipartUploadOutput,
    copy_object: CopyObjectInput -> CopyObjectOutput,
    create_bucket: CreateBucketInput -> CreateBucketOutput,
    create_multipart_upload: CreateMultipartUploadInput -> CreateMultipartUploadOutput,
    delete_bucket: DeleteBucketInput -> DeleteBucketOutput,
    delete_object: DeleteObjectInput -> DeleteObjectOutput,
    delete_objects: DeleteObjectsInput -> DeleteObjectsOutput,
    get_bucket_location: GetBucketLocationInput -> GetBucketLocationOutput,
    head_bucket: HeadBucketInput -> HeadBucketOutput,
    list_buckets: ListBucketsInput -> ListBucketsOutput,
    list_parts: ListPartsInput -> ListPartsOutput,
    put_object: PutObjectInput -> PutObjectOutput,
    upload_part: UploadPartInput -> UploadPartOutput,
    upload_part_copy: UploadPartCopyInput -> UploadPartCopyOutput,
}
