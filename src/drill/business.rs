//! One business held back while the other goes on, and clients moved to another server.

use super::{
    expected_errors::by_freeze,
    state::{Drill, StepError},
};
use crate::{
    event::{Cause, EventKind, Revoked},
    postgres::{Server, literal, server::DATABASE},
    restore::salvage::FrozenTable,
    scenario::plan::Business,
};

/// The write privileges that a role was granted on a table or its columns, as SQL that grants
/// them again; empty when it has none of its own.
const OWN_WRITES: &str = "
SELECT string_agg(format('GRANT %s%s ON %s TO {role}%s', a.privilege_type, a.columns, to_regclass({table}),
  CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END), '; ')
FROM (SELECT '' AS columns, acl.* FROM pg_class c, aclexplode(c.relacl) acl WHERE c.oid = to_regclass({table})
  UNION ALL SELECT format(' (%I)', c.attname), acl.* FROM pg_attribute c, aclexplode(c.attacl) acl
    WHERE c.attrelid = to_regclass({table}) AND NOT c.attisdropped) a
WHERE a.grantee = '{role}'::regrole AND a.privilege_type IN ('INSERT', 'UPDATE', 'DELETE', 'TRUNCATE')";

/// A business's right to write.
struct Writes {
    /// The role that has it.
    role: String,
    /// What is taken away.
    revoked: Revoked,
    /// The statement that takes it away.
    revoke: String,
    /// The one that grants it again.
    grant: String,
}

impl Drill {
    /// Revokes a business's writes on a server.
    ///
    /// # Errors
    /// When the server refuses, or there is nothing that could be revoked.
    pub async fn freeze(&mut self, workload: &str, server: &str) -> Result<(), StepError> {
        let server = self.server_in(server, self.database_of(workload))?;
        let writes = self.writes(workload, &server).await?;
        let cause = Cause::Freeze(workload.to_owned());
        self.expect_errors(cause, by_freeze(&writes.role));
        server.sql(&writes.revoke).await?;
        self.frozen.insert(workload.to_owned(), writes.grant);
        self.recorder.record(EventKind::Frozen {
            workload: workload.to_owned(),
            role: writes.role,
            revoked: writes.revoked,
        });
        Ok(())
    }

    /// Grants a business's writes back.
    ///
    /// # Errors
    /// When the server refuses, or the business is not frozen.
    pub async fn thaw(&mut self, workload: &str, server: &str) -> Result<(), StepError> {
        let not_frozen = || StepError::Missing(format!("workload `{workload}` is not frozen"));
        let grant = self.frozen.get(workload).ok_or_else(not_frozen)?;
        let server = self.server_in(server, self.database_of(workload))?;
        server.sql(grant).await?;
        self.frozen.remove(workload);
        self.errors_over(Cause::Freeze(workload.to_owned()));
        self.recorder.record(EventKind::Thawed {
            workload: workload.to_owned(),
        });
        Ok(())
    }

    /// Shuts a workload's application down, or starts it again.
    pub fn halt(&self, workload: &str, halted: bool) {
        if let Some(workloads) = &self.workloads {
            workloads.halt(workload, halted);
        }
    }

    fn database_of(&self, workload: &str) -> &str {
        let workload = self.plan.workloads.get(workload);
        workload.map_or(DATABASE, |workload| &workload.database)
    }

    async fn writes(&self, workload: &str, server: &Server) -> Result<Writes, StepError> {
        let missing = || {
            StepError::Missing(format!(
                "workload `{workload}` has no writes that could be revoked"
            ))
        };
        let business = &self
            .plan
            .workloads
            .get(workload)
            .ok_or_else(missing)?
            .business;
        let role = &business.role;
        let Some(group) = &business.writer_role else {
            return own_writes(business, server).await;
        };
        Ok(Writes {
            role: role.clone(),
            revoked: Revoked::Membership(group.clone()),
            revoke: format!("revoke {group} from {role}"),
            grant: format!("grant {group} to {role}"),
        })
    }

    /// Moves workloads to another server.
    ///
    /// # Errors
    /// When that server is not there.
    pub async fn cut_over(&mut self, workloads: &[String], to: &str) -> Result<(), StepError> {
        let server = self.server(to)?;
        let access = server.access().await?;
        for name in workloads {
            if let Some(workloads) = &self.workloads {
                workloads.move_to(name, &access);
            }
            let left = self.serving.insert(name.clone(), to.to_owned());
            self.leave(left.as_deref());
        }
        self.recorder.record(EventKind::CutOver {
            workloads: workloads.to_vec(),
            to: to.to_owned(),
        });
        self.faults.recovered();
        self.watch_server(&server).await;
        Ok(())
    }

    /// A server that serves nobody any more is not asked for samples.
    fn leave(&self, server: Option<&str>) {
        let serves = |name: &&str| self.serving.values().any(|server| server == name);
        if let Some(left) = server.filter(|name| !serves(name)) {
            self.unwatch(left);
        }
    }

    /// The group roles whose memberships freezing took away.
    pub fn frozen_groups(&self) -> Vec<String> {
        let frozen = self
            .frozen
            .keys()
            .filter_map(|name| self.plan.workloads.get(name));
        frozen
            .filter_map(|workload| workload.business.writer_role.clone())
            .collect()
    }

    /// The tables of the scratch server's database that businesses without a group of writers write
    /// to and may not for now, with their roles. How they are thawed of which one was gone when they
    /// were frozen, the scratch server tells.
    ///
    /// # Errors
    /// When the scratch server refuses.
    pub async fn frozen_tables(&mut self, scratch: &Server) -> Result<Vec<FrozenTable>, StepError> {
        let mut tables = Vec::new();
        for (name, grant) in &mut self.frozen {
            let workload = self.plan.workloads.get(name);
            let here = workload.filter(|workload| workload.database == scratch.database);
            let Some(business) = here.map(|workload| &workload.business) else {
                continue;
            };
            if business.writer_role.is_some() {
                continue;
            }
            if grant.is_empty() {
                *grant = own_grants(business, scratch).await?.unwrap_or_default();
            }
            tables.extend(business.tables.iter().map(|table| FrozenTable {
                table: table.name.clone(),
                role: business.role.clone(),
            }));
        }
        Ok(tables)
    }

    /// After a server came back in place its port may be another: its clients are told.
    ///
    /// # Errors
    /// When its node is not running.
    pub async fn tell_clients(&self, name: &str) -> Result<(), StepError> {
        let access = self.server(name)?.access().await?;
        let theirs = self.serving.iter().filter(|(_, server)| *server == name);
        for (workload, _) in theirs {
            if let Some(workloads) = &self.workloads {
                workloads.move_to(workload, &access);
            }
        }
        Ok(())
    }
}

/// The same of a business without a group of writers: what its role was granted itself, on its
/// tables alone. Of a table that is gone nothing can be revoked: salvage brings it home frozen.
async fn own_writes(business: &Business, server: &Server) -> Result<Writes, StepError> {
    let role = &business.role;
    let tables: Vec<&str> = business
        .tables
        .iter()
        .map(|table| table.name.as_str())
        .collect();
    let tables = tables.join(", ");
    let (revoke, grant) = match own_grants(business, server).await? {
        None => (String::new(), String::new()),
        Some(grant) if grant.is_empty() => {
            return Err(StepError::Missing(format!(
                "`{role}` was granted no write on {tables} that could be revoked \
                 (hint: grants to a group it is in, or to all, are not its own)"
            )));
        }
        Some(grant) => {
            let writes = "insert, update, delete, truncate";
            (format!("revoke {writes} on {tables} from {role}"), grant)
        }
    };
    Ok(Writes {
        role: role.clone(),
        revoked: Revoked::Writes(tables),
        revoke,
        grant,
    })
}

/// The SQL that grants its writes; none where one of its tables is not there.
async fn own_grants(business: &Business, server: &Server) -> Result<Option<String>, StepError> {
    let mut grants = Vec::new();
    for table in &business.tables {
        let table = literal(&table.name);
        let gone = format!("select to_regclass({table}) is null");
        if server.value(&gone).await? == "t" {
            return Ok(None);
        }
        let query = OWN_WRITES.replace("{table}", &table);
        let grant = server
            .value(&query.replace("{role}", &business.role))
            .await?;
        grants.extend(Some(grant).filter(|grant| !grant.is_empty()));
    }
    Ok(Some(grants.join("; ")))
}
