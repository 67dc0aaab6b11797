WITH placed AS (
    INSERT INTO shop.orders (order_no, customer_id, country, note)
    VALUES ($1, $2, $3, $4) RETURNING id
)
INSERT INTO shop.order_lines (order_id, sku, quantity) SELECT id, $5, $6 FROM placed
