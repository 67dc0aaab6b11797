//! A model on a server of a drill: its scripts put into the node, executed there, its rows loaded.

use std::{collections::BTreeSet, time::Duration};

use super::{Loaded, Model, ModelError, Scripts, extension};
use crate::{
    history::Recorder,
    postgres::Server,
    runtime::{Exec, RuntimeError},
    units::Bytes,
};

/// Scripts may build indexes of 100 GB.
const DEADLINE: Duration = Duration::from_secs(4 * 3600);

impl Model {
    /// Creates and fills the model in its database; the roles that log in get the server's
    /// passwords.
    pub async fn install(
        &self,
        server: &Server,
        amount: (Bytes, u64),
        recorder: &Recorder,
    ) -> Result<Loaded, ModelError> {
        let refused = |error: RuntimeError| self.broken(error.to_string());
        let access = server.access().await.map_err(refused)?;
        let scripts = self.put(server).await?;
        let psql =
            async |arguments: Vec<String>| match server.tool("psql", &arguments, DEADLINE).await {
                Ok(_) => Ok(()),
                Err(error) => Err(said(error, server).await),
            };
        self.create(&access, &scripts, &server.passwords, &psql)
            .await?;
        self.load(&access, amount, &scripts, &psql, recorder).await
    }

    /// Puts the scripts where psql finds them, and makes room for the tablespaces.
    async fn put(&self, server: &Server) -> Result<Scripts, ModelError> {
        let refused = |error: RuntimeError| self.broken(error.to_string());
        let layout = server.node.layout();
        let dir = layout.run.join("models").join(&self.database);
        let files = self.scripts()?;
        let spaces = self.manifest.tablespaces.iter();
        let mut folders: BTreeSet<_> = spaces.map(|name| layout.tablespaces.join(name)).collect();
        folders.insert(dir.clone());
        let above = files
            .iter()
            .filter_map(|(name, _)| Some(dir.join(name).parent()?.to_owned()));
        folders.extend(above);
        let folders = folders.iter().map(|folder| folder.display().to_string());
        let make = ["mkdir".to_owned(), "-p".into()].into_iter().chain(folders);
        server.node.exec(Exec::new(make)).await.map_err(refused)?;
        for (name, content) in &files {
            let put = server.node.put(&dir.join(name), content, 0o600).await;
            put.map_err(refused)?;
        }
        Ok(Scripts {
            dir: dir.display().to_string(),
            tablespace_dir: layout.tablespaces.display().to_string(),
        })
    }
}

/// What psql said last; of an extension that is not there, which package has it.
async fn said(error: RuntimeError, server: &Server) -> String {
    let RuntimeError::Command(failed) = error else {
        return error.to_string();
    };
    let said = failed.tail.trim();
    let major = server
        .value("show server_version_num")
        .await
        .unwrap_or_default();
    let major = major.parse::<u32>().unwrap_or_default() / 10_000;
    match extension::missing(said, major) {
        Some(hint) => format!("{said} (hint: {hint})"),
        None => said.to_owned(),
    }
}
