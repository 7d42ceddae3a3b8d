"""The page that shows the interface to people, made from the OpenAPI document."""
