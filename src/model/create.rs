//! Roles, tablespaces, schema: everything before the first row.

use std::collections::BTreeMap;

use postgres_protocol::password::scram_sha_256;
use tokio_postgres::Client;

use super::{Model, ModelError};
use crate::{
    postgres::{Access, PgError},
    secret::Secret,
};

/// Where the server finds a model's scripts, and where its tablespaces go.
#[derive(Clone, Debug)]
pub struct Scripts {
    /// The directory that holds them ([`Model::scripts`]).
    pub dir: String,
    /// An empty directory of the server's user, for the tablespaces.
    pub tablespace_dir: String,
}

impl Model {
    /// Everything that scripts are, or may include: name and content.
    pub fn scripts(&self) -> Result<Vec<(String, Vec<u8>)>, ModelError> {
        let names = self.folder.scripts()?.into_iter();
        let read = names.map(|name| Ok((name.clone(), self.folder.file(&name)?)));
        read.collect()
    }

    /// Creates the model without a row in its database, and gives its login roles their passwords.
    /// `access` is a superuser's; `psql` executes psql as one on the server's machine, with these arguments, and
    /// says what went wrong.
    pub async fn create(
        &self,
        access: &Access,
        scripts: &Scripts,
        passwords: &BTreeMap<String, Secret>,
        psql: &impl AsyncFn(Vec<String>) -> Result<(), String>,
    ) -> Result<(), ModelError> {
        self.execute(&self.manifest.files.before_load, scripts, psql)
            .await?;
        let client = self.connect(access).await?;
        for role in self.login_roles() {
            let password = passwords.get(role).ok_or_else(|| ModelError::NoPassword {
                model: self.folder.name.clone(),
                role: role.clone(),
            })?;
            self.set_password(&client, role, password).await?;
        }
        Ok(())
    }

    /// Has psql execute some of the scripts, each in a session as it begins.
    pub(super) async fn execute(
        &self,
        files: &[String],
        scripts: &Scripts,
        psql: &impl AsyncFn(Vec<String>) -> Result<(), String>,
    ) -> Result<(), ModelError> {
        if files.is_empty() {
            return Ok(());
        }
        let mut arguments: Vec<String> = ["-X", "-q", "-o", "/dev/null"].map(str::to_owned).into();
        let month = self.month.to_string();
        for (name, value) in [
            ("ON_ERROR_STOP", "1"),
            ("tablespace_dir", scripts.tablespace_dir.as_str()),
            ("month", &month),
        ] {
            arguments.extend(["-v".into(), format!("{name}={value}")]);
        }
        arguments.extend(["-d".into(), self.database.clone()]);
        arguments.extend(["-c".into(), format!("\\cd '{}'", scripts.dir)]);
        for file in files {
            let fresh = [
                "-c".to_owned(),
                "DISCARD ALL".into(),
                "-f".into(),
                file.clone(),
            ];
            arguments.extend(fresh);
        }
        psql(arguments).await.map_err(|cause| self.broken(cause))
    }

    /// Sends the verifier, not the password: what reaches a server's log is no secret.
    async fn set_password(
        &self,
        client: &Client,
        role: &str,
        password: &Secret,
    ) -> Result<(), ModelError> {
        let verifier = scram_sha_256(password.reveal().as_bytes());
        let sql = format!("ALTER ROLE \"{role}\" PASSWORD '{verifier}'");
        self.batch(client, &format!("password of `{role}`"), &sql)
            .await
    }

    pub(super) async fn connect(&self, access: &Access) -> Result<Client, ModelError> {
        let connected = access.within(&self.database);
        let connected = connected.connect("pgdrill load").await;
        connected.map_err(|cause| self.server(cause))
    }

    pub(super) async fn batch(
        &self,
        client: &Client,
        name: &str,
        sql: &str,
    ) -> Result<(), ModelError> {
        let done = client.batch_execute(sql).await;
        done.map_err(|cause| self.server(PgError::new(name, &cause)))
    }
}
