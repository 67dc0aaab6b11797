//! Large objects that salvaged rows point at: they went where a trigger or a clean-up unlinked
//! them with the rows, and no table holds them.

use super::{SalvageError, Work, literal, rows::Columns};
use crate::{event::SalvagedTable, postgres::query::Cells};

const CHUNK: i32 = 1 << 20;

/// Columns that can hold the number of a large object.
const POINTERS: &str = "
SELECT quote_ident(a.attname) FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
WHERE a.attnum > 0 AND NOT a.attisdropped AND 'oid'::regtype IN (t.oid, t.typbasetype) AND a.attrelid = ";

/// What makes a large object again, but for its bytes: owner, grants, comment.
const MAKE: &str = "
SELECT format('SELECT lo_create(%s); ALTER LARGE OBJECT %1$s OWNER TO %I', m.oid, pg_get_userbyid(m.lomowner))
  || coalesce((SELECT format('; REVOKE ALL ON LARGE OBJECT %s FROM %I', m.oid, pg_get_userbyid(m.lomowner)) || string_agg(
    format('; GRANT %s ON LARGE OBJECT %s TO %s%s', a.privilege_type, m.oid,
      CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END,
      CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END), '') FROM aclexplode(m.lomacl) a), '')
  || coalesce(format('; COMMENT ON LARGE OBJECT %s IS ', m.oid) || quote_literal(obj_description(m.oid, 'pg_largeobject')), '')
FROM pg_largeobject_metadata m WHERE m.oid = ";

impl Work<'_> {
    /// Brings home what rows of these tables point at, and is on the scratch server alone.
    pub(super) async fn bring_large_objects(
        &self,
        tables: &[SalvagedTable],
    ) -> Result<(), SalvageError> {
        for SalvagedTable { table, .. } in tables {
            let pointers = format!("{POINTERS}{}::regclass ORDER BY a.attnum", literal(table));
            for column in self.home.query(&pointers).await? {
                self.large_objects_of(table, column.cell(0)?).await?;
            }
        }
        Ok(())
    }

    async fn large_objects_of(&self, table: &str, column: &str) -> Result<(), SalvageError> {
        let home = self.home;
        let own = Columns::of(home, table).await?.own;
        let dangling = format!(
        "SELECT DISTINCT {column}::oid FROM {own} t WHERE {column} IS NOT NULL
         AND NOT EXISTS (SELECT FROM pg_largeobject_metadata m WHERE m.oid = t.{column}) ORDER BY 1"
    );
        let mut came = 0;
        for row in home.query(&dangling).await? {
            let number: u32 = row.cell(0)?;
            if let Some(make) = self
                .scratch
                .query(&format!("{MAKE}{number}"))
                .await?
                .first()
            {
                home.run(make.cell(0)?).await?;
                self.carry(number).await?;
                came += 1;
            }
        }
        if came > 0 {
            home.say(format!(
                "large objects that {column} of {table} points at and that came home: {came}"
            ));
        }
        Ok(())
    }

    async fn carry(&self, number: u32) -> Result<(), SalvageError> {
        let mut at = 0;
        loop {
            let get = format!("SELECT lo_get({number}, {at}, {CHUNK})");
            let bytes: Vec<u8> = self.scratch.one(&get).await?.cell(0)?;
            let put = format!("SELECT lo_put({number}, {at}, $1)");
            let result = self.home.client.execute(&put, &[&bytes]).await;
            result.map_err(|error| self.home.failed(&put, &error))?;
            if bytes.len() < CHUNK as usize {
                return Ok(());
            }
            at += i64::from(CHUNK);
        }
    }
}
