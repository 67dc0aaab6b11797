//! The schema `public`, which `pg_dump` takes for granted: created as the scratch server has it.

use super::{SalvageError, Work, lost::Lost};
use crate::postgres::query::Cells;

const CREATE: &str = "
SELECT format('CREATE SCHEMA public AUTHORIZATION %I', pg_get_userbyid(n.nspowner))
  || coalesce('; COMMENT ON SCHEMA public IS ' || quote_literal(obj_description(n.oid, 'pg_namespace')), '')
  || coalesce((SELECT string_agg(format('; GRANT %s ON SCHEMA public TO %s%s', a.privilege_type,
    CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END,
    CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END), '') FROM aclexplode(n.nspacl) a), '')
FROM pg_namespace n WHERE n.nspname = 'public'";

impl Work<'_> {
    /// Creates it when it is lost.
    pub(super) async fn create_public(&self, lost: &Lost) -> Result<(), SalvageError> {
        let mut told = lost.objects.iter().map(|id| self.catalog.told(id));
        if told.any(|name| name == "schema public") {
            let create: String = self.scratch.one(CREATE).await?.cell(0)?;
            self.home.run(&create).await?;
        }
        Ok(())
    }
}
