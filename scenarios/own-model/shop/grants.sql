SET ROLE shop_owner;
ALTER TABLE shop.orders ADD FOREIGN KEY (customer_id) REFERENCES shop.customers;
CREATE INDEX orders_customer_idx ON shop.orders (customer_id);
GRANT USAGE ON SCHEMA shop TO shop_app, shop_writers, shop_analyst;
GRANT SELECT ON ALL TABLES IN SCHEMA shop TO shop_app;
GRANT INSERT, UPDATE, DELETE ON shop.orders, shop.order_lines TO shop_writers;
GRANT UPDATE (stock) ON shop.products TO shop_writers;
GRANT SELECT ON shop.orders, shop.order_lines, shop.products TO shop_analyst;
ANALYZE;
