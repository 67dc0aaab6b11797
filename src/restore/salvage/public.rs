//! The schema `public`, which `pg_dump` takes for granted: created as the scratch server has it.

use super::{
    SalvageError,
    lost::Lost,
    objects::{Catalog, PUBLIC},
    session::Session,
};
use crate::postgres::query::Cells;

const CREATE: &str = "
SELECT format('CREATE SCHEMA public AUTHORIZATION %I', pg_get_userbyid(n.nspowner))
  || coalesce('; COMMENT ON SCHEMA public IS ' || quote_literal(obj_description(n.oid, 'pg_namespace')), '')
  || coalesce((SELECT string_agg(format('; GRANT %s ON SCHEMA public TO %s%s', a.privilege_type,
    CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END,
    CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END), '') FROM aclexplode(n.nspacl) a), '')
FROM pg_namespace n WHERE n.oid = ";

/// Creates it when it is lost.
pub(super) async fn create(
    scratch: &Session<'_>,
    home: &Session<'_>,
    catalog: &Catalog,
    lost: &Lost,
) -> Result<(), SalvageError> {
    let made_by_initdb = |id: &&super::objects::Id| {
        id.1 == PUBLIC
            && catalog
                .identities
                .get(*id)
                .is_some_and(|it| it.0 == "schema")
    };
    if lost.objects.iter().any(|id| made_by_initdb(&id)) {
        let create: String = scratch.one(&format!("{CREATE}{PUBLIC}")).await?.cell(0)?;
        home.run(&create).await?;
    }
    Ok(())
}
