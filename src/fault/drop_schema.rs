//! A schema dropped with everything in it.

use super::*;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct DropSchema(pub String);

impl BadStatement for DropSchema {
    fn facts(&self) -> Facts<'_> {
        Facts {
            errors: sql::DROPPED,
            ..Facts::of_statement(Need::Schema(&self.0))
        }
    }

    fn statement(&self) -> Statement {
        let (schema, name) = (&self.0, literal(&self.0));
        Statement::counted(
            format!("drop schema {schema} cascade"),
            format!("select (to_regnamespace({name}) is not null)::int"),
        )
    }
}
