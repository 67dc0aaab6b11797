//! One business held back while the other goes on, and clients moved to another server.

use super::state::{Drill, StepError};
use crate::{event::EventKind, scenario::plan::WorkloadKind, workload::Endpoint};

impl Drill<'_> {
    /// Revokes a business's writes on a server.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn freeze(&mut self, workload: &str, server: &str) -> Result<(), StepError> {
        let (revoke, _) = self.writes(workload)?;
        self.server(server)?.sql(&revoke).await?;
        self.frozen.insert(workload.to_owned());
        self.recorder.record(EventKind::Frozen {
            workload: workload.to_owned(),
        });
        Ok(())
    }

    /// Grants a business's writes back.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn thaw(&mut self, workload: &str, server: &str) -> Result<(), StepError> {
        let (_, grant) = self.writes(workload)?;
        self.server(server)?.sql(&grant).await?;
        self.frozen.remove(workload);
        self.recorder.record(EventKind::Thawed {
            workload: workload.to_owned(),
        });
        Ok(())
    }

    /// The statements that revoke and grant a business's writes.
    fn writes(&self, workload: &str) -> Result<(String, String), StepError> {
        let missing = || {
            StepError::Missing(format!(
                "workload `{workload}` has no writes that could be revoked"
            ))
        };
        let kind = &self.plan.workloads.get(workload).ok_or_else(missing)?.kind;
        let business = match kind {
            WorkloadKind::Oa => "oa",
            WorkloadKind::Agent => "agent",
            WorkloadKind::Custom(custom) => {
                let (table, role) = (&custom.table, &custom.role);
                let writes = "insert, update, delete, truncate";
                return Ok((
                    format!("revoke {writes} on {table} from {role}"),
                    format!("grant {writes} on {table} to {role}"),
                ));
            }
        };
        let model = self.model()?;
        let business = model
            .manifest
            .businesses
            .get(business)
            .ok_or_else(missing)?;
        let (group, role) = (&business.writer_role, &business.app_role);
        Ok((
            format!("revoke {group} from {role}"),
            format!("grant {group} to {role}"),
        ))
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
            self.serving.insert(name.clone(), to.to_owned());
        }
        self.recorder.record(EventKind::CutOver {
            workloads: workloads.to_vec(),
            to: to.to_owned(),
        });
        self.watch_server(&server).await;
        Ok(())
    }

    /// The group roles whose memberships freezing took away.
    ///
    /// # Errors
    /// When the data model is not known.
    pub fn frozen_groups(&self) -> Result<Vec<String>, StepError> {
        let model = self.model()?;
        let kinds = self
            .frozen
            .iter()
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
