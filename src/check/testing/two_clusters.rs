//! Two clusters, of which one is lost and the other goes on.

use pgdrill::{event::*, scenario::plan::*};

use super::{
    HistoryFixture,
    lost_server::{of_plan, steps},
    plan::plan,
    recording::tenths,
};

/// The cluster beside the primary's.
pub const ORDERS: &str = "orders";

/// As `lost_server`, but the agent works on the server that is lost and moves, the OA on the other
/// one, in a database `shop`, and stays. One server is the primary, the other is called [`ORDERS`].
pub fn one_of_two_lost(lost: &str) -> HistoryFixture {
    let mut plan = plan("one-of-two-lost-pg17", steps(&["agent"]));
    let other = if lost == PRIMARY { ORDERS } else { PRIMARY };
    plan.servers.insert(ORDERS.into(), ServerPlan::default());
    let first = plan.databases.get_mut("postgres").unwrap();
    first.server = lost.into();
    let shop = DatabasePlan {
        server: other.into(),
        ..first.clone()
    };
    plan.databases.insert("shop".into(), shop);
    plan.workloads.get_mut("oa").unwrap().database = "shop".into();
    let goes_on = Objectives {
        lost: Some(0),
        outage: Some("1s".parse().unwrap()),
        ..Objectives::default()
    };
    plan.objectives.insert("oa".into(), goes_on);
    let mut fixture = of_plan(on(plan, lost), lost, &["agent"]);
    went_on(&mut fixture, other);
    fixture.in_order()
}

/// As `lost_server`, but the databases are those of [`ORDERS`], and the primary has none.
pub fn orders_alone_lost() -> HistoryFixture {
    let workloads = ["agent", "oa"];
    let mut plan = plan("orders-alone-lost-pg17", steps(&workloads));
    plan.servers.insert(ORDERS.into(), ServerPlan::default());
    plan.databases.get_mut("postgres").unwrap().server = ORDERS.into();
    of_plan(on(plan, ORDERS), ORDERS, &workloads)
}

/// The plan with its steps on that server.
fn on(mut plan: Plan, server: &str) -> Plan {
    for step in &mut plan.steps {
        step.server = server.into();
        if let Action::Restore(restore) = &mut step.action {
            restore.of = Some(server.into());
        }
    }
    plan
}

/// What was told of a server that nothing happened to.
fn went_on(fixture: &mut HistoryFixture, server: &str) {
    fixture.backed_up(server);
    fixture.image(tenths(119), Moment::Before, server);
    fixture.stands(tenths(45), server, 0x2f8_8000, "000000010000000000000001");
    fixture.stands(tenths(255), server, 0x400_0028, "000000010000000000000003");
    fixture.observe(tenths(266), Moment::After, server, 1);
    fixture.image(tenths(266), Moment::After, server);
    fixture.log_read(tenths(267), server, 812);
}
