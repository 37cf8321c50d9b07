"""`streamweir`: what an operator looks at and does by hand, a module per noun."""
