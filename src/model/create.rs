//! Roles, tablespaces, schema: everything before the first row.

use std::collections::BTreeMap;

use postgres_protocol::password::scram_sha_256;
use tokio_postgres::Client;

use super::{Model, ModelError};
use crate::{
    postgres::{Access, PgError},
    secret::Secret,
};

impl Model {
    /// Creates the model without a row and gives its login roles their passwords.
    /// `access` is a superuser's; `tablespace_dir` an empty directory of the server's user
    /// on the server's machine.
    ///
    /// # Errors
    /// When a login role has no password, or the server refuses.
    pub async fn create(
        &self,
        access: &Access,
        tablespace_dir: &str,
        passwords: &BTreeMap<String, Secret>,
    ) -> Result<(), ModelError> {
        let client = self.connect(access).await?;
        for file in &self.manifest.files.before_load {
            let dir = tablespace_dir.replace('\'', "''");
            let sql = self.file(file)?.replace("{{tablespace_dir}}", &dir);
            let sql = sql.replace("{{month}}", &self.month.to_string());
            self.batch(&client, file, &sql).await?;
        }
        for role in self.login_roles() {
            let password = passwords.get(role).ok_or_else(|| ModelError::NoPassword {
                model: self.manifest.name.clone(),
                role: role.clone(),
            })?;
            self.set_password(&client, role, password).await?;
        }
        Ok(())
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

    /// Logs in to the model's database.
    pub(super) async fn connect(&self, access: &Access) -> Result<Client, ModelError> {
        let access = Access {
            database: self.manifest.database.clone(),
            ..access.clone()
        };
        let connected = access.connect("pgdrill load").await;
        connected.map_err(|cause| self.server(cause))
    }

    /// Runs one simple-query batch.
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
