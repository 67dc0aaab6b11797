//! One business held back while the other goes on, and clients moved to another server.

use super::{
    expected_errors::by_freeze,
    state::{Drill, StepError},
};
use crate::{
    event::{Cause, EventKind, Revoked},
    postgres::Server,
    restore::salvage::FrozenTable,
    scenario::plan::{CustomWorkload, WorkloadKind},
    workload::Endpoint,
};

/// The write privileges that a role was granted on a table or its columns, as SQL that grants
/// them again; empty when it has none of its own.
const OWN_WRITES: &str = "
SELECT string_agg(format('GRANT %s%s ON %s TO {role}%s', a.privilege_type, a.columns, to_regclass('{table}'),
  CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END), '; ')
FROM (SELECT '' AS columns, acl.* FROM pg_class c, aclexplode(c.relacl) acl WHERE c.oid = to_regclass('{table}')
  UNION ALL SELECT format(' (%I)', c.attname), acl.* FROM pg_attribute c, aclexplode(c.attacl) acl
    WHERE c.attrelid = to_regclass('{table}') AND NOT c.attisdropped) a
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
        let server = self.server(server)?;
        let writes = self.writes(workload, &server).await?;
        let cause = Cause::Freeze(workload.to_owned());
        self.expect_errors(cause, by_freeze(&writes.role));
        server.sql(&writes.revoke).await?;
        self.frozen.insert(workload.to_owned(), writes.grant);
        self.recorder.record(EventKind::Frozen {
            workload: workload.to_owned(),
            role: writes.role,
            revoked: Some(writes.revoked),
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
        self.server(server)?.sql(grant).await?;
        self.frozen.remove(workload);
        self.errors_over(Cause::Freeze(workload.to_owned()));
        self.recorder.record(EventKind::Thawed {
            workload: workload.to_owned(),
        });
        Ok(())
    }

    async fn writes(&self, workload: &str, server: &Server) -> Result<Writes, StepError> {
        let missing = || {
            StepError::Missing(format!(
                "workload `{workload}` has no writes that could be revoked"
            ))
        };
        let kind = &self.plan.workloads.get(workload).ok_or_else(missing)?.kind;
        let business = match kind {
            WorkloadKind::Oa => "oa",
            WorkloadKind::Agent => "agent",
            WorkloadKind::Custom(custom) => return own_writes(custom, server).await,
        };
        let model = self.model()?;
        let business = model
            .manifest
            .businesses
            .get(business)
            .ok_or_else(missing)?;
        let (group, role) = (&business.writer_role, &business.app_role);
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
            if let Some(endpoint) = self.endpoint(name) {
                endpoint.move_to(&access);
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
    ///
    /// # Errors
    /// When the data model is not known.
    pub fn frozen_groups(&self) -> Result<Vec<String>, StepError> {
        let model = self.model()?;
        let kinds = self
            .frozen
            .keys()
            .filter_map(|name| self.plan.workloads.get(name))
            .map(|workload| &workload.kind);
        let business = kinds.filter_map(|kind| match kind {
            WorkloadKind::Oa => Some("oa"),
            WorkloadKind::Agent => Some("agent"),
            WorkloadKind::Custom(_) => None,
        });
        Ok(business
            .filter_map(|name| model.manifest.businesses.get(name))
            .map(|business| business.writer_role.clone())
            .collect())
    }

    /// The tables that businesses of the scenario's own write to and may not for now, with their
    /// roles. How one is thawed whose table was gone when it was frozen, the scratch server tells.
    ///
    /// # Errors
    /// When the scratch server refuses.
    pub async fn frozen_tables(&mut self, scratch: &Server) -> Result<Vec<FrozenTable>, StepError> {
        let mut tables = Vec::new();
        for (name, grant) in &mut self.frozen {
            let kind = self.plan.workloads.get(name).map(|workload| &workload.kind);
            let Some(WorkloadKind::Custom(custom)) = kind else {
                continue;
            };
            if grant.is_empty() {
                *grant = own_grant(custom, scratch).await?.unwrap_or_default();
            }
            tables.push(FrozenTable {
                table: custom.table.clone(),
                role: custom.role.clone(),
            });
        }
        Ok(tables)
    }

    fn endpoint(&self, workload: &str) -> Option<&Endpoint> {
        self.workloads.as_ref()?.endpoint(workload)
    }

    /// After a server came back in place its port may be another: its clients are told.
    ///
    /// # Errors
    /// When its node is not running.
    pub async fn tell_clients(&self, name: &str) -> Result<(), StepError> {
        let access = self.server(name)?.access().await?;
        let theirs = self.serving.iter().filter(|(_, server)| *server == name);
        for (workload, _) in theirs {
            if let Some(endpoint) = self.endpoint(workload) {
                endpoint.move_to(&access);
            }
        }
        Ok(())
    }
}

/// The same of a custom workload: what its role was granted itself, on its table alone. Of a
/// table that is gone nothing can be revoked: salvage brings it home frozen.
async fn own_writes(custom: &CustomWorkload, server: &Server) -> Result<Writes, StepError> {
    let CustomWorkload { table, role, .. } = custom;
    let (revoke, grant) = match own_grant(custom, server).await? {
        None => (String::new(), String::new()),
        Some(grant) if grant.is_empty() => {
            return Err(StepError::Missing(format!(
                "`{role}` was granted no write on {table} that could be revoked \
                 (hint: grants to a group it is in, or to all, are not its own)"
            )));
        }
        Some(grant) => {
            let writes = "insert, update, delete, truncate";
            (format!("revoke {writes} on {table} from {role}"), grant)
        }
    };
    Ok(Writes {
        role: role.clone(),
        revoked: Revoked::Writes(table.clone()),
        revoke,
        grant,
    })
}

/// The SQL that grants its writes; none where its table is not there.
async fn own_grant(custom: &CustomWorkload, server: &Server) -> Result<Option<String>, StepError> {
    let table = custom.table.replace('\'', "''");
    let gone = format!("select to_regclass('{table}') is null");
    if server.value(&gone).await? == "t" {
        return Ok(None);
    }
    let query = OWN_WRITES.replace("{table}", &table);
    let grant = server.value(&query.replace("{role}", &custom.role)).await?;
    Ok(Some(grant))
}
