"""The dashboards as code, one module for one question; run as a module it writes them."""
