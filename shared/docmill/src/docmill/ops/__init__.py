"""What running a service needs: settings, logs, metrics, health."""
