//! Everything taken from a role in a schema, and from the groups that it gets it through. Lost
//! grants lose no transaction.

use super::*;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub struct RevokeGrants {
    /// The role.
    pub role: String,
    /// The schema.
    pub schema: String,
}

impl BadStatement for RevokeGrants {
    fn facts(&self) -> Facts<'_> {
        let Self { role, schema } = self;
        Facts {
            object: format!("{role} in {schema}"),
            needs: vec![Need::Role(role), Need::Schema(schema)],
            errors: &["42501"],
            role: Some(role),
            ..Facts::of_object(Need::Role(role))
        }
    }

    fn statement(&self) -> Statement {
        let Self { role, schema } = self;
        let all =
            |kind: &str| format!("revoke all on all {kind} in schema {schema} from {role} cascade");
        let each = ["tables", "sequences", "functions"].map(all).join("; ");
        Statement::counted(
            format!("{each}; revoke all on schema {schema} from {role} cascade"),
            self.privileges(),
        )
    }
}

impl RevokeGrants {
    fn privileges(&self) -> String {
        let (role, schema) = (literal(&self.role), literal(&self.schema));
        format!(
            "select (select count(*) from pg_class c, aclexplode(c.relacl) a \
                      where c.relnamespace = {schema}::regnamespace and a.grantee = {role}::regrole) \
                  + (select count(*) from pg_namespace n, aclexplode(n.nspacl) a \
                      where n.oid = {schema}::regnamespace and a.grantee = {role}::regrole)"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::ExpectedError;

    #[test]
    fn revoked_grants_are_missed_by_their_role_on_their_server() {
        let fault = RevokeGrants {
            role: "oa_app_user".into(),
            schema: "internal_oa".into(),
        };
        let missed = ExpectedError {
            sqlstate: "42501".into(),
            server: Some("primary".into()),
            role: Some("oa_app_user".into()),
        };
        let fault = Fault::RevokeGrants(fault);
        assert_eq!(fault.facts().expected_errors("primary"), [missed]);
    }
}
