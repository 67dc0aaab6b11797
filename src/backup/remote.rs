//! Object storage for tools that write files alone: what they left is copied there by rclone, and
//! fetched from there before it is restored.
//!
//! rclone's configuration lies on every node beside its server, with the stores as remotes of their
//! names; credentials stand in no command line.

use super::{BackupError, Site};
use crate::{
    bucket::UriStyle,
    runtime::{Exec, exec::quoted},
    store::Endpoint,
};

/// An outage is told within a minute, not after rclone's own hour of trying.
const PATIENCE: &str = "--retries 2 --low-level-retries 2 --contimeout 10s --timeout 30s";

/// Writes the configuration on a node; nothing where no store is object storage.
pub(super) async fn configure(site: &Site<'_>) -> Result<(), BackupError> {
    if site.stores.endpoints.is_empty() {
        return Ok(());
    }
    let sections = site.stores.endpoints.iter();
    let text: String = sections.map(|(name, at)| section(name, at)).collect();
    let authorities = site.stores.endpoints.values();
    let authorities: String = authorities.map(|at| format!("{}\n", at.ca)).collect();
    for (file, text) in [(configuration(site), text), (authority(site), authorities)] {
        site.node.put(file.as_ref(), text.as_bytes(), 0o600).await?;
    }
    Ok(())
}

/// By the documentation of rclone's S3 backend.
fn section(name: &str, at: &Endpoint) -> String {
    let token = at.session_token.as_ref();
    let token = token.map(|token| format!("session_token = {}\n", token.reveal()));
    format!(
        "[{name}]\ntype = s3\nprovider = Other\nenv_auth = false\naccess_key_id = {}\n\
         secret_access_key = {}\nendpoint = https://{}:{}\nregion = {}\nforce_path_style = {}\n\
         no_check_bucket = true\n{}\n",
        at.access_key,
        at.secret_key.reveal(),
        at.host,
        at.port,
        at.region,
        at.uri_style == UriStyle::Path,
        token.unwrap_or_default(),
    )
}

fn configuration(site: &Site<'_>) -> String {
    site.fill_in("{run}/rclone.conf")
}

fn authority(site: &Site<'_>) -> String {
    site.fill_in("{run}/rclone-ca.pem")
}

fn fetched_into(site: &Site<'_>) -> String {
    site.fill_in("{run}/fetched")
}

/// Whether a store is object storage.
pub(super) fn is_remote(site: &Site<'_>, store: &str) -> bool {
    site.stores.endpoints.contains_key(store)
}

/// The directory below which a tool writes what is to be in a store: the store's own, or, where that is
/// object storage, one of the node's, which [`put`] copies from.
pub(super) fn written_below(site: &Site<'_>, store: &str) -> String {
    match is_remote(site, store) {
        true => site.fill_in("{run}/taken"),
        false => root(site, store),
    }
}

/// A store's own directory; of object storage that in which its objects are seen.
pub(super) fn root(site: &Site<'_>, store: &str) -> String {
    site.node.layout().store(store).display().to_string()
}

/// Copies paths from below a directory into a store, and has rclone hold both against each other.
pub(super) async fn put(
    site: &Site<'_>,
    store: &str,
    root: &str,
    paths: &[String],
) -> Result<(), BackupError> {
    for path in paths {
        let from = quoted(&format!("{root}/{path}"));
        let to = quoted(&object(site, store, path));
        rclone(site, &format!("copy {PATIENCE} {from} {to}")).await?;
        rclone(site, &format!("check {PATIENCE} --one-way {from} {to}")).await?;
    }
    Ok(())
}

/// The directory below which these paths of a store are: its own, or a copy of what is in object
/// storage.
pub(super) async fn fetched(
    site: &Site<'_>,
    store: &str,
    paths: &[String],
) -> Result<String, BackupError> {
    if !is_remote(site, store) {
        return Ok(root(site, store));
    }
    let root = fetched_into(site);
    for path in paths {
        let from = quoted(&object(site, store, path));
        let to = quoted(&format!("{root}/{path}"));
        rclone(site, &format!("copy {PATIENCE} {from} {to}")).await?;
    }
    Ok(root)
}

/// Removes what was fetched, and what was taken to be put somewhere else.
pub(super) async fn forget(site: &Site<'_>) -> Result<(), BackupError> {
    let places = [fetched_into(site), site.fill_in("{run}/taken")];
    let words = ["rm".to_owned(), "-rf".into()].into_iter().chain(places);
    site.node.exec(Exec::new(words).unrecorded()).await?;
    Ok(())
}

/// Deletes these paths of a store that is object storage.
pub(super) async fn delete(
    site: &Site<'_>,
    store: &str,
    paths: &[String],
) -> Result<(), BackupError> {
    for path in paths {
        let at = quoted(&object(site, store, path));
        rclone(site, &format!("purge {PATIENCE} {at}")).await?;
    }
    Ok(())
}

fn object(site: &Site<'_>, store: &str, path: &str) -> String {
    let at = &site.stores.endpoints[store];
    let prefix = match at.prefix.as_str() {
        "" => String::new(),
        prefix => format!("{prefix}/"),
    };
    format!("{store}:{}/{prefix}{path}", at.bucket)
}

/// What a script of the user's needs to call rclone: the stores are remotes of their names, and
/// `PGDRILL_REMOTE_NAME` says where in one of them a drill's objects are.
pub(super) fn environment(site: &Site<'_>) -> Vec<(String, String)> {
    if site.stores.endpoints.is_empty() {
        return Vec::new();
    }
    let stores = site.stores.endpoints.keys();
    let remotes = stores.map(|store| {
        let name = store.to_uppercase().replace('-', "_");
        let at = object(site, store, "");
        (
            format!("PGDRILL_REMOTE_{name}"),
            at.trim_end_matches('/').to_owned(),
        )
    });
    let files = [
        ("RCLONE_CONFIG", configuration(site)),
        ("RCLONE_CA_CERT", authority(site)),
        // Beside a bundle that the environment names rclone reaches nothing ("unsupported transport").
        ("AWS_CA_BUNDLE", String::new()),
    ];
    let files = files.map(|(name, file)| (name.to_owned(), file));
    remotes.chain(files).collect()
}

async fn rclone(site: &Site<'_>, arguments: &str) -> Result<(), BackupError> {
    let exec = Exec::shell(format!("rclone {arguments}"));
    site.exec(exec.envs(environment(site))).await?;
    Ok(())
}
