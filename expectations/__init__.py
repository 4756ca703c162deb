"""What must hold before anything is published: suites, the gate, the reports."""
