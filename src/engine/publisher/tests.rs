mod ground;
mod order;
