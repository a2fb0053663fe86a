"""Networks: plain ``nn.Module``s, and the flat parameter vector around one."""
